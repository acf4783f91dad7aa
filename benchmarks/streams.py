"""Training steps of the language model of `text`: ours, PyTorch, and the machine's ceiling."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measuring.ceiling import Ceiling, dense, recurrence
from benchmarks.measuring.figures import Figure, compare, timed
from benchmarks.peers.processes import peer_process, peer_python, peer_version
from components.trainer.fitting import compile_model
from components.trainer.language_model.settings import StreamSettings, resolve
from components.trainer.language_model.streams import Streams
from components.trainer.language_model.token_text import TokenText
from pipeline.config.task_files import load_task
from serving.contract.processors import count_processors

_VOCABULARY = 88
_STEPS = 20

# The length of the text whose settings are taken.
_CHARACTERS = 500_000


def measure(runs: int) -> list[Figure]:
    """Measures characters a second, side by side: of 20 steps on characters that are drawn at random."""
    train: Any = load_task("text").train
    settings = resolve(train, _CHARACTERS)
    rows, segment = settings.batch_size, settings.segment
    characters = rows * segment * _STEPS
    sides = {
        "ours": timed(_ours(settings)),
        "ours, train.ngrams=1": timed(_ours(dataclasses.replace(settings, ngrams=1))),
    }
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if python := peer_python("train"):
            described = dataclasses.asdict(settings) | {"vocabulary": _VOCABULARY, "steps": _STEPS}
            sides[f"PyTorch {peer_version(python, 'torch')}"] = timed(
                stack.enter_context(
                    peer_process(python, "torch_stream.py", described | {"threads": count_processors()})
                )
            )
        else:
            missing["PyTorch"] = "skipped: not installed (make peers)"
        ceiling = Ceiling(
            [
                *recurrence(rows, settings.units, segment),
                *dense(rows * segment, settings.embedding, 4 * settings.units),
                *dense(rows * segment, settings.units, _VOCABULARY),
            ]
        )
        sides["matrix products alone"] = lambda: characters / _STEPS / ceiling.seconds()
        return compare("text", sides, "characters/s", runs, missing)


def _ours(settings: StreamSettings) -> Callable[[], float]:
    """Returns our Trainer's steps."""
    characters = settings.batch_size * settings.segment * _STEPS
    tokens = np.random.default_rng(0).integers(1, _VOCABULARY, characters + 1, dtype=np.uint8)
    starts = np.arange(0, characters, settings.segment)
    text = TokenText(tokens, starts, starts, starts + settings.segment)
    streams = Streams(settings)
    data = streams.fit_data(text, text)
    model = streams.build(_VOCABULARY)
    batches = compile_model(model, settings, data)(0)

    def work() -> float:
        model.fit(batches, steps_per_epoch=data.steps, verbose=0)
        return characters

    return work
