"""What runs, in which order, and where: configuration, tasks, the pipeline, its runners, and the command line.

From Python (docs/python.md):

>>> from pipeline import load_model, run
>>> result = run("sums", ["train.epochs=50"])
>>> load_model(f"{result.serving_dir}/sums").predict(["12+34"]).strings("text")
['46']

These names are imported when they are first used: TensorFlow and TFX take seconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Run, load_model, load_task, open_runs, run

__all__ = ["Run", "load_model", "load_task", "open_runs", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
