"""What Transform does to windows: the scaling, so that training and serving have one graph of it."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.series.features import BASE, HISTORY, INPUTS, TARGET, TARGETS, UNIT
from components.series.scaling import scale_windows


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Scales windows and their targets.

    Args:
      inputs: `history` and `target`, sparse float32 [N, context] and [N, horizon].
      custom_config: `context`, `horizon` and `season` (steps), and `seasonal` (`SeriesSettings.seasonal`).

    Returns:
      `inputs` float32 [N, context], `targets` and `base` float32 [N, horizon], `unit` float32 [N, 1]; see `Scaled`.
    """
    horizon = custom_config["horizon"]
    history = _dense(inputs[HISTORY], custom_config["context"])
    scaled = scale_windows(history, custom_config["season"], horizon, custom_config["seasonal"])
    targets = (_dense(inputs[TARGET], horizon) - scaled.base) / scaled.unit
    return {INPUTS: scaled.inputs, TARGETS: targets, BASE: scaled.base, UNIT: scaled.unit}


def _dense(values: Any, length: int) -> tf.Tensor:
    """Returns a feature of which every example has `length` values: float32 [N, length]."""
    return tf.reshape(tf.sparse.to_dense(values), [-1, length])


def as_feature(values: tf.Tensor) -> tf.SparseTensor:
    """Returns values [N, length] as Transform's graph takes them, zeros included."""
    return tf.RaggedTensor.from_tensor(values).to_sparse()
