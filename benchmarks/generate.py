"""Text by a served model over gRPC, beside the loops of reference 3's notebook and of PyTorch."""

import os
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from benchmarks.measuring.figures import Figure, rate
from benchmarks.peers.processes import peer_process, peer_python, peer_version
from charseq_client import Client
from charseq_client.text import Sampling, generate
from components.trainer.language_model.approach import Approach
from components.trainer.language_model.export import LanguageModel
from components.trainer.language_model.settings import StreamSettings, WindowSettings
from components.trainer.language_model.streams import Streams
from components.trainer.language_model.windows import Windows
from components.transform.preprocessing import read_vocabulary
from components.transform.text import preprocessing_fn
from pipeline.config.task_files import load_task
from pipeline.local.server import local_server
from serving.contract.processors import count_processors

# As many characters as a book in English has.
_CHARACTERS = "".join(map(chr, range(32, 127)))

_TEXT: Any = load_task("text").train
_UNITS = 128
_WINDOW = 40


def measure(runs: int) -> list[Figure]:
    """Measures characters a second with one prompt and with 64: ours, PyTorch's loop, and the notebook's with one.

    The weights are untrained: a step costs the same whatever it says.
    """
    figures = []
    models: dict[str, tuple[Approach, int]] = {
        f"LSTM {_UNITS}, everything read before": (Streams(StreamSettings(units=_UNITS)), 10_000),
        f"LSTM {_UNITS}, windows of {_WINDOW} (text-lstm)": (
            Windows(WindowSettings(units=_UNITS, window=_WINDOW)),
            2_000,
        ),
        f"LSTM {_TEXT.units} with n-grams (text)": (Streams(_TEXT), 2_000),
    }
    with tempfile.TemporaryDirectory() as folder:
        transform_output = _make_transform(os.path.join(folder, "transform"))
        for number, (approach, _) in enumerate(models.values()):
            _export(approach, transform_output, os.path.join(folder, "serving", f"model-{number}", "1"))
        with local_server(os.path.join(folder, "serving")) as address, Client(address, timeout=600) as client:
            for number, (name, (_, length)) in enumerate(models.items()):
                client.wait_until_available(f"model-{number}")
                for prompts, each in ((1, length), (64, length // 4)):
                    work = _request(client, f"model-{number}", prompts, each)
                    figures.append(rate(f"{name}, {prompts} at a time, over gRPC", "characters/s", work, runs))
    figures += _torch_loop(runs)
    figures.append(rate("the notebook's loop (reference 3)", "characters/s", _notebook(100), runs))
    return figures


def _torch_loop(runs: int) -> list[Figure]:
    """Measures a model of the size of `text`, without n-grams and without a server."""
    if not (python := peer_python("train")):
        return [Figure("PyTorch's loop", None, "", [], "skipped: not installed (make peers)")]
    name = f"PyTorch {peer_version(python, 'torch')}, LSTM {_TEXT.units}, a loop without a server"
    figures = []
    for prompts in (1, 64):
        settings = {
            "units": _TEXT.units,
            "embedding": _TEXT.embedding,
            "vocabulary": len(_CHARACTERS),
            "prompts": prompts,
            "length": 500,
            "threads": count_processors(),
        }
        with peer_process(python, "torch_writing.py", settings) as work:
            figures.append(rate(f"{name}, {prompts} at a time", "characters/s", work, runs))
    return figures


def _request(client: Client, model: str, prompts: int, length: int) -> Callable[[], float]:
    def work() -> float:
        generate(client, ["It was a dark and stormy night; the rain"] * prompts, Sampling(length, 1.0), model=model)
        return prompts * length

    return work


def _make_transform(path: str) -> tft.TFTransformOutput:
    """Returns Transform's graph for all characters."""
    spec: dict[str, tf.io.FixedLenFeature] = {
        name: tf.io.FixedLenFeature([1], tf.string) for name in ("context", "text")
    }
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(spec | {"position": tf.io.FixedLenFeature([1], tf.int64)})
    )
    example = {"context": [b""], "text": [_CHARACTERS.encode()], "position": [0]}
    with tft_beam.Context(temp_dir=f"{path}.tmp"):
        transform = ([example], metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = transform | tft_beam.WriteTransformFn(path)
    return tft.TFTransformOutput(path)


def _export(approach: Approach, transform_output: tft.TFTransformOutput, path: str) -> None:
    vocabulary = len(read_vocabulary(transform_output))
    model = approach.core(approach.build(vocabulary))
    characters = approach.character_model(model, np.full(vocabulary, 1 / vocabulary))
    LanguageModel(model, transform_output, characters, approach.settings.max_length).save(path)


def _notebook(length: int) -> Callable[[], float]:
    """Returns the loop that the notebook of reference 3 describes: a window one-hot in NumPy, model.predict, one character."""
    size = len(_CHARACTERS)
    model = keras.Sequential(
        [keras.Input([_WINDOW, size]), keras.layers.LSTM(_UNITS), keras.layers.Dense(size, activation="softmax")]
    )
    random = np.random.default_rng(0)

    def work() -> float:
        window = list(random.integers(size, size=_WINDOW))
        for _ in range(length):
            one_hot = np.zeros([1, _WINDOW, size])
            one_hot[0, np.arange(_WINDOW), window] = 1
            probabilities = model.predict(one_hot, verbose=0)[0].astype("float64")
            window = [*window[1:], int(np.argmax(random.multinomial(1, probabilities / probabilities.sum())))]
        return length

    return work
