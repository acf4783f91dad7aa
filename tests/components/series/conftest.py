"""A small network that forecasts, trained once for the tests of what stands on it."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.series.export import SeriesModel
from components.series.scaling import scale_windows
from components.series.settings import SeriesSettings
from components.series.training import WindowArrays, train
from components.series.transform import preprocessing_fn

CONFIG = {"context": 8, "horizon": 3, "season": 4, "seasonal": "average"}
QUICK = SeriesSettings(units=6, epochs=3, steps=5, batch_size=16, synthetic_windows=64, checkpoint_seconds=0)


def make_values(count, length=11):
    """Series with a season of four and a little noise: float32 [count, length]."""
    random = np.random.default_rng(3)
    season = np.tile([2.0, -1.0, -3.0, 2.0], length)[:length]
    return (50 + season + random.normal(0, 0.5, (count, length))).astype(np.float32)


@pytest.fixture(scope="session")
def windows():
    """Scaled windows of training."""
    values = make_values(20)
    scaled = scale_windows(tf.constant(values[:, :8]), 4, 3, "average")
    return WindowArrays(scaled.inputs.numpy(), ((values[:, 8:] - scaled.base) / scaled.unit).numpy())


@pytest.fixture(scope="session")
def saved_series(windows, tmp_path_factory):
    """The folder of a SavedModel."""
    folder = tmp_path_factory.mktemp("series")
    spec = {name: tf.io.VarLenFeature(tf.float32) for name in ("history", "target")}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    rows = [{"history": row[:8].tolist(), "target": row[8:].tolist()} for row in make_values(4)]
    with tft_beam.Context(temp_dir=str(folder / "tmp")):
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, CONFIG))
        transform_fn | tft_beam.WriteTransformFn(str(folder / "output"))
    model = train(QUICK, windows, windows, 4, str(folder / "checkpoints")).model
    SeriesModel(model, tft.TFTransformOutput(str(folder / "output")), 8, 3).save(str(folder / "model"))
    return str(folder / "model")
