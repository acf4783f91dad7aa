"""The floor of series: the seasonal naive forecast, each value of the last season once more."""

import json
from typing import Any

import numpy as np
import tensorflow as tf

from components.evaluator.results import Floor
from components.example_gen.shards import split_files
from components.example_gen.splits import TEST_SPLIT
from components.series.features import HISTORY, SCALE, TARGET

_BATCH = 4_096


def floor_fn(examples_uri: str, settings_json: str) -> tuple[list[Floor], dict[str, Any]]:
    """Returns what the seasonal naive forecast reaches on the test windows; see `components.floor.component`.

    Args:
      examples_uri: Folder of the examples.
      settings_json: JSON with `context`, `horizon` and `season`, steps.
    """
    settings = json.loads(settings_json)
    season, horizon = settings["season"], settings["horizon"]
    spec = {HISTORY: settings["context"], TARGET: horizon, SCALE: 1}
    features = {name: tf.io.FixedLenFeature([length], tf.float32) for name, length in spec.items()}
    errors, scaled = [], []
    for records in tf.data.TFRecordDataset(split_files(examples_uri, TEST_SPLIT), "GZIP").batch(_BATCH):
        parsed = {name: values.numpy() for name, values in tf.io.parse_example(records, features).items()}
        naive = np.tile(parsed[HISTORY][:, -season:], (1, -(-horizon // season)))[:, :horizon]
        error = np.abs(naive - parsed[TARGET]).mean(axis=1)
        errors.append(error)
        scaled.append(error / parsed[SCALE][:, 0])
    metrics = {"mase": np.concatenate(scaled), "mean_absolute_error": np.concatenate(errors)}
    name = "the seasonal naive forecast" if season > 1 else "the last value"
    return [Floor(name, {metric: float(values.mean()) for metric, values in metrics.items()})], {}
