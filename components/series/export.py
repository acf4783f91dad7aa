"""The SavedModel of a network that forecasts: raw numbers in, raw numbers out."""

import functools
import math
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

from components.series.features import BASE, HISTORY, INPUTS, SCALE, TARGET, UNIT
from components.series.transform import as_feature
from components.trainer.string_model import graph_function, save_signatures, tracked

# How a server batches, with --enable_per_model_batching_parameters. Requests share a batch if their histories have one length.
_BATCHING_PARAMETERS = """\
max_batch_size { value: 1024 }
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 64 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 256 }
"""


class SeriesModel(tf.Module):
    """A trained network, with the scaling of Transform before it and behind it."""

    SIGNATURES = ("serving_default", "window", "evaluate")

    def __init__(self, model: keras.Model, transform_output: tft.TFTransformOutput, context: int, horizon: int):
        """Wraps a network.

        Args:
          model: From scaled windows [N, context] to quantiles [N, members, horizon, 3].
          transform_output: The graph that scaled the training windows.
          context: Steps that it reads.
          horizon: Steps that it forecasts.
        """
        super().__init__()
        self.weights = tracked(model)
        self._quantiles = functools.partial(model, training=False)
        self._context, self._horizon = context, horizon
        loader = SavedModelLoader(transform_output.transform_savedmodel_dir)
        self._transform = loader.apply_transform_model
        self._transform_resources = vars(loader)
        # With the length in its shape, which is where a client finds it.
        window = tf.TensorSpec([None, context], tf.float32, HISTORY)
        self.window = tf.function(self._window, input_signature=[window], autograph=False)

    def save(self, path: str) -> None:
        """Writes the SavedModel with its signatures, and how a server should batch requests to it."""
        save_signatures(self, path, self.SIGNATURES, _BATCHING_PARAMETERS)

    @graph_function(history=tf.TensorSpec([None, None], tf.float32))
    def serving_default(self, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """Forecasts what follows on histories.

        Args:
          history: Values of regular steps, the latest last: float32 [N, T], T at least `context`; earlier ones are not read.

        Returns:
          `forecast` (the median), `lower` and `upper` (the ends of the interval): float32 [N, horizon] each.

        Raises (in the graph, as INVALID_ARGUMENT): a history is too short, or has a value that is no finite number.
        """
        length = tf.shape(history)[1]
        enough = tf.debugging.Assert(
            length >= self._context,
            [
                tf.strings.join(
                    [
                        "history has ",
                        tf.strings.as_string(length),
                        f" values: this model reads {self._context}; send at least as many, the latest last",
                    ]
                )
            ],
        )
        with tf.control_dependencies([enough, self._refuse_values(history)]):
            window = history[:, tf.maximum(length - self._context, 0) :]
        return self._forecast(tf.ensure_shape(window, [None, self._context]))

    def _window(self, history: tf.Tensor) -> dict[str, tf.Tensor]:
        """Does what `serving_default` does, for histories of as many values as the model reads: float32 [N, context]."""
        with tf.control_dependencies([self._refuse_values(history)]):
            return self._forecast(tf.identity(history))

    @graph_function(examples=tf.string)
    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Judges serialized tf.Examples [N] by what came; the Evaluator averages these figures.

        Their windows may be longer than what this model reads, and their targets shorter than what it forecasts. If it is the
        other way round the figures are NaN: there is nothing to compare then.

        Returns:
          `forecast`, `lower` and `upper` float32 [N, horizon]; float32 [N] each: `mase` (the mean absolute error divided by the
          example's `scale`), `mean_absolute_error`, and `coverage` (the share of the values that lay in the interval).
        """
        spec = {name: tf.io.RaggedFeature(tf.float32) for name in (HISTORY, TARGET)}
        parsed = tf.io.parse_example(examples, spec | {SCALE: tf.io.FixedLenFeature([1], tf.float32)})
        history, target = parsed[HISTORY].to_tensor(), parsed[TARGET].to_tensor()
        missing = tf.maximum(self._context - tf.shape(history)[1], 0)
        beyond = tf.shape(target)[1] - self._horizon
        window = tf.pad(history, [[0, 0], [missing, 0]])[:, -self._context :]
        forecasts = self._forecast(tf.ensure_shape(window, [None, self._context]))
        # Examples of other settings, on which an older version is compared with a newer one.
        unusable = tf.where((missing > 0) | (beyond > 0), math.nan, 0.0)
        forecasts = {name: values[:, : tf.shape(target)[1]] + unusable for name, values in forecasts.items()}
        target = target[:, : self._horizon]
        error = tf.reduce_mean(tf.abs(forecasts["forecast"] - target), axis=1)
        covered = (target >= forecasts["lower"]) & (target <= forecasts["upper"])
        return {
            **forecasts,
            "mase": error / parsed[SCALE][:, 0],
            "mean_absolute_error": error,
            "coverage": tf.reduce_mean(tf.cast(covered, tf.float32), axis=1) + unusable,
        }

    def _forecast(self, window: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns forecasts for windows float32 [N, context]."""
        scaled: dict[str, Any] = self._transform({HISTORY: as_feature(window)})
        inputs = tf.ensure_shape(scaled[INPUTS], [None, self._context])
        quantiles = tf.reduce_mean(tf.cast(self._quantiles(inputs), tf.float32), axis=1)
        raw = scaled[BASE][..., tf.newaxis] + scaled[UNIT][..., tf.newaxis] * quantiles
        raw = tf.ensure_shape(raw, [None, self._horizon, 3])
        return {"forecast": raw[..., 1], "lower": raw[..., 0], "upper": raw[..., 2]}

    def _refuse_values(self, history: tf.Tensor) -> tf.Operation:
        """Returns an operation that fails if a value is no finite number, and says which one."""
        wrong = ~tf.math.is_finite(history)

        def fail() -> tf.Operation:
            row, step = tf.unstack(tf.where(wrong)[0])
            value = tf.strings.as_string(history[row, step])
            where = tf.strings.join(["history[", tf.strings.as_string(row), ", ", tf.strings.as_string(step), "] is "])
            reason = ": this model reads finite numbers; fill what is missing before"
            return tf.debugging.Assert(tf.constant(False), [tf.strings.join([where, value, reason])])

        return tf.cond(tf.reduce_any(wrong), fail, tf.no_op)
