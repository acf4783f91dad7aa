"""The Keras model: an LSTM reads a scaled window, and its last state gives the whole horizon as three quantiles."""

from typing import Any

import keras
from keras import ops

from components.series.settings import SeriesSettings
from components.trainer.fitting import OUTPUT_LAYER


def build_model(settings: SeriesSettings, context: int, horizon: int) -> keras.Model:
    """Returns the untrained model.

    Args:
      settings: What to build.
      context: Steps of a window.
      horizon: Steps to forecast.

    Returns:
      From scaled windows float32 [batch, context] to quantiles of the scaled values that follow, float32
      [batch, members, horizon, 3]: the interval's lower end, the median, the upper end.
    """
    window = keras.Input([context], name="window")
    steps = WindowSteps(name="steps")(window)
    members = []
    for member in range(settings.members):
        behind = f"_{member}" if settings.members > 1 else ""
        state = keras.layers.LSTM(settings.units, name=f"lstm{behind}")(steps)
        if settings.dropout:
            state = keras.layers.Dropout(settings.dropout, name=f"dropout{behind}")(state)
        # Near 0: the first forecast is the last value with its season.
        small = keras.initializers.RandomNormal(stddev=0.02)
        members.append(keras.layers.Dense(3 * horizon, kernel_initializer=small, name=f"{OUTPUT_LAYER}{behind}")(state))
    together = keras.layers.Concatenate(name="members")(members) if len(members) > 1 else members[0]
    quantiles = Quantiles(settings.members, horizon, name="quantiles")(together)
    return keras.Model(window, quantiles, name="lstm_forecast")


@keras.saving.register_keras_serializable("charseq")
class WindowSteps(keras.layers.Layer):  # type: ignore[misc]
    """What the LSTM reads at each step: the value and its change, both with long tails drawn in (inverse hyperbolic sine)."""

    def call(self, window: Any) -> Any:
        """Returns float32 [batch, context, 2] for windows float32 [batch, context]."""
        change = ops.concatenate([ops.zeros_like(window[:, :1]), window[:, 1:] - window[:, :-1]], axis=1)
        return ops.arcsinh(ops.stack([window, change], axis=-1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, 2)


@keras.saving.register_keras_serializable("charseq")
class Quantiles(keras.layers.Layer):  # type: ignore[misc]
    """The median, and on both sides of it a distance that is never negative, so that quantiles cannot cross."""

    def __init__(self, members: int, horizon: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.members, self.horizon = members, horizon

    def call(self, outputs: Any) -> Any:
        """Returns float32 [batch, members, horizon, 3] for float32 [batch, members * horizon * 3]."""
        outputs = ops.reshape(outputs, (-1, self.members, self.horizon, 3))
        median = outputs[..., 1:2]
        below, above = ops.softplus(outputs[..., :1]), ops.softplus(outputs[..., 2:])
        return ops.concatenate([median - below, median, median + above], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.members, self.horizon, 3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "members": self.members, "horizon": self.horizon}


@keras.saving.register_keras_serializable("charseq")
class QuantileLoss(keras.losses.Loss):  # type: ignore[misc]
    """The mean over members, steps and quantiles of the quantile loss (Koenker and Bassett 1978)."""

    def __init__(self, interval: float, **kwargs: Any):
        """Makes the loss.

        Args:
          interval: Share of the values that are to lie between the first and the last quantile.
          **kwargs: Keras's.
        """
        super().__init__(**kwargs)
        self.interval = interval
        self._levels = [(1 - interval) / 2, 0.5, (1 + interval) / 2]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns float32 [batch] for targets [batch, horizon] and quantiles [batch, members, horizon, 3]."""
        error = y_true[:, None, :, None] - y_pred
        levels = ops.convert_to_tensor(self._levels, y_pred.dtype)
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interval": self.interval}


@keras.saving.register_keras_serializable("charseq")
class IntervalCoverage(keras.metrics.Mean):  # type: ignore[misc]
    """The share of values that lie in the interval; members' ends are averaged, as they are when the model is served."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        quantiles = ops.mean(y_pred, axis=1)
        covered = ops.logical_and(y_true >= quantiles[..., 0], y_true <= quantiles[..., 2])
        return super().update_state(ops.cast(covered, "float32"))
