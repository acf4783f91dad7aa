"""Scaling by the window: the season is taken out, the last value becomes 0, a usual step becomes 1.

So one network learns from series of any level, unit and season. All of it is computed from the window alone, in the graph.
"""

from typing import Any, Literal, NamedTuple

import tensorflow as tf

Seasonal = Literal["average", "last", "none"]

# Least size of a unit, as a share of the window's mean absolute value, and if all of it is 0. A window without any change has
# no unit of its own.
_LEAST_SHARE = 1e-4
_LEAST = 1e-9


class Scaled(NamedTuple):
    """A window as the network reads it, and the way back: raw = base + unit * scaled.

    Attributes:
      inputs: The window: float32 [N, context].
      base: What stands for 0 at each step of the horizon: the last value without its season, and the season of that step:
        float32 [N, horizon].
      unit: What stands for 1: float32 [N, 1].
    """

    inputs: tf.Tensor
    base: tf.Tensor
    unit: tf.Tensor


def scale_windows(history: Any, season: int, horizon: int, seasonal: Seasonal) -> Scaled:
    """Scales windows.

    Args:
      history: float32 [N, context]; the context is two or more whole seasons.
      season: Steps of a season; 1 if there is no season.
      horizon: Steps to forecast.
      seasonal: How the season is found (`SeriesSettings.seasonal`). `average` is the classical decomposition (Hyndman and
        Athanasopoulos, Forecasting: Principles and Practice, 3.4): in every season of the window the deviations from its mean
        and from the window's trend, averaged over the seasons.
    """
    last = history[:, -1:]
    moved = history - last  # what is subtracted from each other later is small then, and keeps its digits
    pattern = _pattern(moved, season, seasonal)
    seasons = history.shape[1] // season
    bare = moved - tf.tile(pattern, [1, seasons])
    end = bare[:, -1:]
    unit = tf.reduce_mean(tf.abs(bare[:, 1:] - bare[:, :-1]), axis=1, keepdims=True)
    level = tf.reduce_mean(tf.abs(history), axis=1, keepdims=True)
    unit = unit + _LEAST_SHARE * level + _LEAST
    base = last + end + tf.tile(pattern, [1, -(-horizon // season)])[:, :horizon]
    return Scaled((bare - end) / unit, base, unit)


def _pattern(moved: tf.Tensor, season: int, seasonal: Seasonal) -> tf.Tensor:
    """Returns what each step of a season adds: float32 [N, season]; the window ends with the season's last step."""
    seasons = moved.shape[1] // season
    blocks = tf.reshape(moved, [-1, seasons, season])
    if season == 1 or seasonal == "none":
        return tf.zeros_like(blocks[:, 0])
    if seasonal == "last":
        return blocks[:, -1] - blocks[:, -1, -1:]
    means = tf.reduce_mean(blocks, axis=2, keepdims=True)
    slope = (means[:, -1] - means[:, 0]) / tf.cast((seasons - 1) * season, tf.float32)
    trend = slope * (tf.range(season, dtype=tf.float32) - (season - 1) / 2)
    return tf.reduce_mean(blocks - means, axis=1) - trend
