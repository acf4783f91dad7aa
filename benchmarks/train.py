"""Training steps of references 2 and 3, and of `text`: ours, the notebooks' model.fit, PyTorch, and the machine's ceiling."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks import streams
from benchmarks.measuring.ceiling import Ceiling, Product, dense, recurrence
from benchmarks.measuring.figures import Figure, compare, timed
from benchmarks.peers.notebooks import one_hot, sums_model, text_model
from benchmarks.peers.processes import peer_process, peer_python, peer_version
from components.trainer.fitting import compile_model
from components.trainer.fixed_length.input_pipeline import TokenArrays
from components.trainer.fixed_length.models import build_model
from components.trainer.fixed_length.training import fit_data as sums_data
from components.trainer.language_model.token_text import TokenText
from components.trainer.language_model.windows import Windows
from pipeline.config.task_files import load_task
from serving.contract.processors import count_processors

_UNITS = 128
_BATCH = 128


@dataclasses.dataclass(frozen=True)
class Shape:
    """A reference's sizes.

    Attributes:
      task: Name of the task that is this reference.
      vocabulary: Characters.
      inputs: Characters that are read.
      outputs: Characters of the answer; 0 is one, from the last state.
      examples: In an epoch.
      epochs: In a measurement.
    """

    task: str
    vocabulary: int
    inputs: int
    outputs: int
    examples: int
    epochs: int


# Reference 2's training split; 88 characters are those of reference 3's book. With fewer epochs, each measurement is the start
# of a fit more than it should be, which in 200 epochs comes once: with 4 it is an eighth of ours, and little of the others'.
SUMS = Shape("sums-lstm", 12, 5, 3, 4_500, 20)
TEXT = Shape("text-lstm", 88, 40, 0, 6_400, 1)


def measure(runs: int) -> list[Figure]:
    """Measures examples a second of both references, and characters a second of `text`, side by side.

    Nothing depends on what the characters are, so they are drawn at random.
    """
    return [*(figure for shape in (SUMS, TEXT) for figure in _measure(shape, runs)), *streams.measure(runs)]


def products(shape: Shape) -> list[Product]:
    """Returns the matrix products that a step cannot do without."""
    encoder = recurrence(_BATCH, _UNITS, shape.inputs - 1)
    if not shape.outputs:
        return [*encoder, *dense(_BATCH, _UNITS, shape.vocabulary)]
    decoder = [*dense(_BATCH, _UNITS, 4 * _UNITS), *recurrence(_BATCH, _UNITS, shape.outputs - 1)]
    return [*encoder, *decoder, *dense(shape.outputs * _BATCH, _UNITS, shape.vocabulary)]


def _measure(shape: Shape, runs: int) -> list[Figure]:
    sides = {
        "ours": timed(_ours(shape, 0)),
        "ours, train.parts=1": timed(_ours(shape, 1)),
        "the notebook's model.fit": timed(_notebook(shape)),
    }
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if python := peer_python("train"):
            settings = dataclasses.asdict(shape) | {"threads": count_processors()}
            sides[f"PyTorch {peer_version(python, 'torch')}"] = timed(
                stack.enter_context(peer_process(python, "torch_train.py", settings))
            )
        else:
            missing["PyTorch"] = "skipped: not installed (make peers)"
        ceiling = Ceiling(products(shape))
        sides["matrix products alone"] = lambda: _BATCH / ceiling.seconds()
        return compare(shape.task, sides, "examples/s", runs, missing)


def _ours(shape: Shape, parts: int) -> Callable[[], float]:
    """Returns our Trainer's steps, by the settings of the task but for their parts."""
    settings: Any = dataclasses.replace(load_task(shape.task).train, parts=parts)
    random = np.random.default_rng(0)
    if not shape.outputs:
        windows = Windows(dataclasses.replace(settings, window=shape.inputs))
        tokens = random.integers(shape.vocabulary, size=shape.examples + shape.inputs, dtype=np.uint8)
        starts = np.arange(shape.inputs, len(tokens))
        text = TokenText(tokens, starts - shape.inputs, starts, starts + 1)
        data = windows.fit_data(text, text)
        model = windows.build(shape.vocabulary)
    else:
        arrays = TokenArrays(
            *(
                random.integers(shape.vocabulary, size=[shape.examples, length], dtype=np.uint8)
                for length in (shape.inputs, shape.outputs)
            )
        )
        data = sums_data(settings, arrays, arrays)
        model = build_model(settings, shape.inputs, shape.outputs, shape.vocabulary)
    batches = compile_model(model, settings, data)(0)

    def work() -> float:
        model.fit(batches, steps_per_epoch=data.steps, epochs=shape.epochs, verbose=0)
        return shape.examples * shape.epochs

    return work


def _notebook(shape: Shape) -> Callable[[], float]:
    random = np.random.default_rng(0)
    questions = one_hot(random.integers(shape.vocabulary, size=[shape.examples, shape.inputs]), shape.vocabulary)
    if shape.outputs:
        model: keras.Model = sums_model(shape.inputs, shape.outputs, shape.vocabulary)
        answers = one_hot(random.integers(shape.vocabulary, size=[shape.examples, shape.outputs]), shape.vocabulary)
    else:
        model = text_model(shape.inputs, shape.vocabulary)
        answers = one_hot(random.integers(shape.vocabulary, size=shape.examples), shape.vocabulary)

    def work() -> float:
        model.fit(questions, answers, batch_size=_BATCH, epochs=shape.epochs, verbose=0)
        return shape.examples * shape.epochs

    return work
