"""A text, its Transform graph, and a small model of it, made once."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.trainer.language_model.export import LanguageModel
from components.trainer.language_model.settings import StreamSettings, WindowSettings
from components.trainer.language_model.streams import Streams
from components.trainer.language_model.token_text import TokenText, first_character_probabilities
from components.trainer.language_model.training import train
from components.trainer.language_model.windows import Windows
from components.transform.preprocessing import read_vocabulary
from components.transform.text import preprocessing_fn

TEXT = "the cat sat on the mat. “a rat,” said 猫.\n\nso the cat ran at the rat. 🐀\n" * 40

SMALL = StreamSettings(
    embedding=8,
    units=32,
    batch_size=8,
    segment=16,
    optimizer="adam",
    learning_rate=1e-2,
    warmup=0.0,
    weight_decay=0.0,
    beta_2=0.999,
    clip_norm=0.0,
    epochs=4,
    steps_per_execution=0,
    output_dropout=0.1,
    weight_dropout=0.0,
    temperatures=(),
    compiled=False,
    max_length=1_000,
)

WINDOW = 10
WINDOWS = WindowSettings(
    units=24, window=WINDOW, epochs=2, temperatures=(), histograms=False, compiled=False, max_length=1_000
)


def to_windows(tokens, context, length, step):
    """A split's text with windows like those of TextExampleGen."""
    starts = np.arange(context, len(tokens) - length + 1, step)
    return TokenText(tokens, starts - context, starts, starts + length)


@pytest.fixture(scope="session")
def transform_output(tmp_path_factory):
    """The Transform graph of the text."""
    spec = {name: tf.io.FixedLenFeature([1], tf.string) for name in ("context", "text")}
    spec["position"] = tf.io.FixedLenFeature([1], tf.int64)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    example = {"context": [b""], "text": [TEXT.encode()], "position": [0]}
    folder = tmp_path_factory.mktemp("transform of text")
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = ([example], metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        transform_fn | tft_beam.WriteTransformFn(str(folder / "output"))
    return tft.TFTransformOutput(str(folder / "output"))


@pytest.fixture(scope="session")
def vocabulary(transform_output):
    """The text's characters by index."""
    return read_vocabulary(transform_output)


@pytest.fixture(scope="session")
def tokens(vocabulary):
    """The text as indices."""
    return np.array([vocabulary.index(character) for character in TEXT], np.uint8)


@pytest.fixture(scope="session")
def trained(tokens, vocabulary, tmp_path_factory):
    """A model that predicts at every position."""
    text = to_windows(tokens, 0, 32, 32)
    path = str(tmp_path_factory.mktemp("checkpoints") / "every")
    return train(Streams(SMALL).of_data(vocabulary, len(tokens)), text, text, len(vocabulary), path).model


@pytest.fixture(scope="session")
def trained_windows(tokens, vocabulary, tmp_path_factory):
    """A model that predicts from windows."""
    text = to_windows(tokens, WINDOW, 1, 3)
    path = str(tmp_path_factory.mktemp("checkpoints") / "last")
    return train(Windows(WINDOWS), text, text, len(vocabulary), path).model


@pytest.fixture(scope="session")
def first(tokens, vocabulary):
    """Probabilities of a text's first character."""
    return first_character_probabilities(to_windows(tokens, 0, 32, 32), vocabulary)


@pytest.fixture(scope="session")
def saved_model(trained, transform_output, first, tmp_path_factory):
    """The SavedModel of the first."""
    path = str(tmp_path_factory.mktemp("language model"))
    characters = Streams(SMALL).character_model(trained, first)
    LanguageModel(trained, transform_output, characters, SMALL.max_length).save(path)
    return path


@pytest.fixture(scope="session")
def saved_windows(trained_windows, transform_output, first, tmp_path_factory):
    """The SavedModel of the second."""
    path = str(tmp_path_factory.mktemp("window model"))
    characters = Windows(WINDOWS).character_model(trained_windows, first)
    LanguageModel(trained_windows, transform_output, characters, WINDOWS.max_length).save(path)
    return path
