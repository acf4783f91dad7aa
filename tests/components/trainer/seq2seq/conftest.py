"""Words and how they are said, their Transform graph, and a small model of them, made once."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.trainer.seq2seq.export import Decoding, PairsModel
from components.trainer.seq2seq.model import build_model
from components.trainer.seq2seq.pairs import Rows, TokenPairs
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.trainer.seq2seq.training import train
from components.transform.token_pairs import SOURCE_VOCABULARY, TARGET_VOCABULARY, preprocessing_fn, read_vocabulary
from tests.components.conftest import to_examples
from tests.components.session import Session

SMALL = Seq2SeqSettings(
    units=24,
    embedding=16,
    layers=1,
    members=2,
    batch_size=16,
    epochs=20,
    dropout=0.0,
    shapes=1,
    learning_rate=2e-2,
    histograms=False,
    checkpoint_seconds=0.0,
)

# A vowel is long before one consonant; c is said in two ways; h is silent.
_SAID = {"a": "a", "e": "ɛ", "b": "b", "d": "d", "h": ""}


def say(word):
    phones = []
    for index, letter in enumerate(word):
        after = word[index + 1 : index + 2]
        if letter == "c":
            phones.append("tʃ" if after == "e" else "k")
        elif letter == "h":
            continue
        else:
            phones.append(_SAID[letter] + ("ː" if letter in "ae" and after == "h" else ""))
    return " ".join(phones)


WORDS = ["".join(letters) for n in (1, 2, 3, 4) for letters in itertools.product("aebcdh", repeat=n)]
PAIRS = [(word, say(word)) for word in WORDS if say(word)][::5]

DECODING = Decoding(source_limit=20, target_limit=12, target_separator=" ")


def analyze(pairs, config, folder):
    """Returns the Transform graph of pairs."""
    spec = {name: tf.io.FixedLenFeature([1], tf.string) for name in ("expression", "answer")}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = (to_examples(pairs), metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        transform_fn | tft_beam.WriteTransformFn(str(folder / "output"))
    return tft.TFTransformOutput(str(folder / "output"))


def index(transform_output, pairs, sizes):
    """Returns pairs as indices."""
    layer = transform_output.transform_features_layer()
    words, said = zip(*pairs, strict=True)
    columns = {"expression": words, "answer": said}
    indexed = layer({name: tf.constant(column)[:, tf.newaxis] for name, column in columns.items()})
    return TokenPairs(
        *(Rows.of(indexed[name].to_list(), size) for name, size in zip(("tokens", "targets"), sizes, strict=True))
    )


@pytest.fixture(scope="session")
def pairs_transform(tmp_path_factory):
    return analyze(PAIRS, {"target_separator": " "}, tmp_path_factory.mktemp("transform of pairs"))


@pytest.fixture(scope="session")
def sizes(pairs_transform):
    return [len(read_vocabulary(pairs_transform, name)) for name in (SOURCE_VOCABULARY, TARGET_VOCABULARY)]


@pytest.fixture(scope="session")
def token_pairs(pairs_transform, sizes):
    return index(pairs_transform, PAIRS, sizes)


@pytest.fixture(scope="session")
def trained_pairs(token_pairs, sizes, tmp_path_factory):
    """A model that knows most words."""
    settings = resolve(SMALL, len(token_pairs))
    return train(settings, token_pairs, token_pairs, *sizes, str(tmp_path_factory.mktemp("checkpoints"))).model


@pytest.fixture(scope="session")
def untrained_pairs(sizes):
    """A model that is unsure of everything."""
    keras.utils.set_random_seed(5)
    return build_model(resolve(SMALL, 1), *sizes)


@pytest.fixture(scope="session")
def serve(pairs_transform, tmp_path_factory):
    """Returns what serves a model."""

    def save(model, **decoding):
        path = str(tmp_path_factory.mktemp("model of pairs"))
        PairsModel(model, pairs_transform, dataclasses.replace(DECODING, **decoding)).save(path)
        return Session(path)

    return save


@pytest.fixture(scope="session")
def served(serve, trained_pairs):
    return serve(trained_pairs)


def softmax(logits):
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)
