"""charseq from Python: run a task, load what was pushed, look at past runs. `from pipeline import run` has the same names."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.settings import Config
from pipeline.config.task_files import load_task
from pipeline.places import DEFAULT_ROOT, Places
from serving.local import LocalModel

if TYPE_CHECKING:
    from pipeline.lineage import Lineage
    from pipeline.local.run import Run
    from pipeline.run_observer import RunObserver

__all__ = ["Run", "load_model", "load_task", "open_runs", "run"]


def run(
    task: str | Path | Config,
    assignments: Iterable[str] = (),
    *,
    root: str | Path = DEFAULT_ROOT,
    serving_dir: str | Path = "",
    observer: "RunObserver | None" = None,
) -> "Run":
    """Runs a task's whole pipeline in this process: data, training, gate, push. May be called again and again.

    Nothing is printed, no signal handler is set, and no file descriptor is taken. `sys.argv` is hidden while it runs: TFX and
    Beam would read it.

    Args:
      task: Name of a built-in task, path of a task file, or what `load_task` gave.
      assignments: What is set on top of a named task or a file, each `section.field=value`, as with `charseq run --set`.
      root: Folder of artifacts, metadata and reports.
      serving_dir: Folder that the model server reads; by default `serving` in the root.
      observer: Is told what happens.

    Returns:
      What `charseq run --json` prints, with the same names. A model that the gate refuses, and a component that fails, are
      results too: see `blessed`, `reasons` and `bad_input`.

    Raises:
      SettingsError: There is no such task, a setting is wrong, or a folder cannot be written; nothing was run.
      pipeline.file_errors.DiskFullError: There is too little space.
      KeyboardInterrupt: It was interrupted.
    """
    from pipeline.families import find_family
    from pipeline.local.imports import ensure_home
    from pipeline.local.preflight import check_run

    if isinstance(task, Config):
        if tuple(assignments):
            raise ValueError("assignments go to load_task(task, assignments) where a loaded task is given")
        config = task
    else:
        config = load_task(os.fspath(task), assignments)
    config = find_family(config.family).settle(config)
    places = Places(str(root), str(serving_dir))
    check_run(config, places)
    config.beam.prepare()
    ensure_home()
    with _quiet():
        from pipeline.local.run import run_task

        return run_task(config, places, observer, catch_interrupts=False)


def load_model(folder: str | Path, *, version: int | None = None) -> LocalModel:
    """Loads a pushed model, which then answers in this process: no server, and TensorFlow's Python package is not imported.

    Args:
      folder: A version's folder, or the folder of a model's versions, such as `runs/serving/sums`.
      version: Which version, if `folder` is a model's; by default the one that a server would answer with.

    Returns:
      The model: `model.predict(["12+34"]).strings("text")`. Close it, or use it as a context manager.

    Raises:
      charseq_client.PredictionError: There is no such version, or it cannot be loaded.
    """
    return LocalModel(folder, version=version)


def open_runs(root: str | Path = DEFAULT_ROOT) -> "Lineage":
    """Opens the past runs of a root: to be iterated, the newest first, or asked for one with `find`.

    Raises:
      pipeline.lineage.NoSuchRunError: There is none.
    """
    from pipeline.lineage import Lineage

    return Lineage(Places(str(root)).metadata_path)


def __getattr__(name: str) -> Any:
    if name == "Run":  # with TFX, which takes seconds to import
        from pipeline.local.run import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what the libraries note away from standard error, but for what this package says; puts everything back."""
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "3"
    )  # of notes alone; read by TensorFlow's libraries as they are loaded
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    filters = [(handler, _only_ours) for handler in handlers]
    for handler, filtered in filters:
        handler.addFilter(filtered)
    if not handlers:
        root.addHandler(logging.NullHandler())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for handler, filtered in filters:
            handler.removeFilter(filtered)
        for handler in root.handlers[:]:
            if handler not in handlers:
                root.removeHandler(handler)
        root.setLevel(level)


def _only_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == "charseq"
