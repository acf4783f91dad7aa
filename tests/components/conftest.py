"""A Transform graph and a small trained model, made once for the tests of what stands on them."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.trainer.fixed_length.export import Seq2SeqModel
from components.trainer.fixed_length.input_pipeline import TokenArrays
from components.trainer.fixed_length.settings import RecurrentSettings
from components.trainer.fixed_length.training import train
from components.transform.preprocessing import preprocessing_fn

LENGTHS = {"input_length": 3, "output_length": 2}


def to_examples(pairs):
    return [{"expression": [e.encode()], "answer": [a.encode()]} for e, a in pairs]


def one_digit_sums():
    return [(f"{a}+{b}", str(a + b)) for a in range(10) for b in range(10)]


@pytest.fixture(scope="session")
def transform_output(tmp_path_factory):
    """The Transform graph of all one-digit sums."""
    spec = {name: tf.io.FixedLenFeature([1], tf.string) for name in ("expression", "answer")}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    folder = tmp_path_factory.mktemp("transform")
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = (to_examples(one_digit_sums()), metadata) | tft_beam.AnalyzeDataset(
            lambda inputs: preprocessing_fn(inputs, LENGTHS)
        )
        transform_fn | tft_beam.WriteTransformFn(str(folder / "output"))
    return tft.TFTransformOutput(str(folder / "output"))


@pytest.fixture(scope="session")
def sums_arrays(transform_output):
    """All one-digit sums as indices."""
    expressions, answers = zip(*one_digit_sums(), strict=True)
    layer = transform_output.transform_features_layer()
    columns = {"expression": expressions, "answer": answers}
    indexed = layer({name: tf.constant(column)[:, tf.newaxis] for name, column in columns.items()})
    return TokenArrays(indexed["tokens"].numpy().astype(np.uint8), indexed["targets"].numpy().astype(np.uint8))


@pytest.fixture(scope="session")
def trained(sums_arrays, tmp_path_factory):
    """A model that knows all one-digit sums."""
    settings = RecurrentSettings(units=48, batch_size=32, epochs=400, learning_rate=1e-2, warmup=0.1, histograms=False)
    return train(settings, sums_arrays, sums_arrays, 12, str(tmp_path_factory.mktemp("checkpoints"))).model


@pytest.fixture(scope="session")
def saved_model(trained, transform_output, tmp_path_factory):
    """Its SavedModel."""
    path = str(tmp_path_factory.mktemp("model"))
    Seq2SeqModel(trained, transform_output, LENGTHS["input_length"], LENGTHS["output_length"]).save(path)
    return path
