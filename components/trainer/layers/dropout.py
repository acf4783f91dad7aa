"""Dropout whose random numbers cost little where XLA compiles for a CPU."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def drop(
    inputs: tf.Tensor, rate: float, seeds: keras.random.SeedGenerator, noise_shape: Sequence[int | None] | None = None
) -> tf.Tensor:
    """Returns inputs with a share of `rate` of their elements 0, and the others larger, so that the mean stays.

    keras.random.dropout leaves the choice of generator to TensorFlow, and XLA's for a CPU then takes a hundred times as long
    as Philox, which is named here: 307 against 2.4 ms for a million elements.

    Args:
      inputs: What to drop elements of.
      rate: Share of them.
      seeds: Where the seed comes from; it moves on.
      noise_shape: Where 1, all elements along that axis share their fate; None is the axis's own size.
    """
    seed = tf.cast(keras.ops.convert_to_tensor(seeds.next()), tf.int32)
    return tf.nn.experimental.stateless_dropout(inputs, rate, seed, rng_alg="philox", noise_shape=noise_shape)


@keras.saving.register_keras_serializable("charseq")
class Dropout(keras.layers.Dropout):  # type: ignore[misc]
    """keras.layers.Dropout with another generator of random numbers."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return drop(inputs, self.rate, self.seed_generator, self.noise_shape) if training and self.rate else inputs
