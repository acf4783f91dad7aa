"""Learned vectors of the last few characters together, by their hash.

A recurrent network spends its first epochs on learning which few characters belong together. A table of vectors says it at
once, for the price of a look-up (FastText: Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information").
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from components.trainer.layers.dropout import drop
from components.trainer.layers.rows import rows

# Most bits of a hash. A book of half a million characters has some 1,500 bigrams, 10,000 trigrams and 35,000 4-grams. More rows
# would make a step longer: an optimizer goes through all of them.
_MOST_BITS = 15


@keras.saving.register_keras_serializable("charseq")
class NgramVectors(layers.Layer):  # type: ignore[misc]
    """The sum of a text's n-grams' vectors at each character, for n from 2 to `longest`.

    N-grams of one length and hash share a vector. The hash is the highest bits of a sum of products with odd numbers
    (Dietzfelbinger et al. 1997, "A reliable randomized algorithm for the closest-pair problem").
    """

    def __init__(self, width: int, longest: int, rate: float, code_points: Sequence[int] = (), **kwargs: Any):
        """Makes the layer.

        Args:
          width: Width of a vector.
          longest: Characters of the longest n-grams.
          rate: Share of the n-grams whose vectors are dropped in training.
          code_points: What is hashed for each index: with these an n-gram has the same vector in every vocabulary, as a warm
            start needs. Empty: the index itself.
          **kwargs: Keras's.
        """
        super().__init__(**kwargs)
        # A tuple: Keras wraps a list in a layer, and the wrapper cannot be copied, which an export does.
        self.width, self.longest, self.rate, self.code_points = width, longest, rate, tuple(code_points)
        self.seeds = keras.random.SeedGenerator()
        bits = np.array([min(_MOST_BITS, 8 + 2 * n) for n in range(2, longest + 1)])
        self._shifts = 32 - bits
        self._starts = np.cumsum([0, *(1 << bits)])  # of each length's rows; the last is their number
        odd = np.random.default_rng(0).integers(2**31, size=[len(bits), longest], dtype=np.int32) * 2 + 1
        # A row for each n, with a factor for each of its characters, the last one first.
        self._factors = np.where(np.arange(longest) < np.arange(2, longest + 1)[:, np.newaxis], odd, 0).astype(np.int32)

    def build(self, *shapes: Any) -> None:
        small = keras.initializers.RandomNormal(stddev=0.1)
        # Muon leaves what is called an embedding to AdamW.
        self.table = self.add_weight((self._starts[-1], self.width), small, name="embedding")

    def call(self, tokens: tf.Tensor, history: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the vectors, float [batch, length, width], and the characters before what follows, like `history`.

        Args:
          tokens: int32 [batch, length].
          history: The characters before them, the last one last, int32 [batch, longest - 1]; 0 where there was none.
          training: Whether to drop vectors.
        """
        length = tf.shape(tokens)[1]
        whole = tf.concat([history, tokens], 1)
        text = tf.gather(tf.constant(self.code_points, tf.int32), whole) if self.code_points else whole
        last = self.longest - 1
        ends = tf.stack([text[:, last - back : last - back + length] for back in range(self.longest)], -1)
        # Products and their sum lose what is above 32 bits, as they are meant to.
        keys = tf.bitcast(tf.reduce_sum(ends[..., tf.newaxis, :] * self._factors, -1), tf.uint32)
        hashes = tf.bitwise.right_shift(keys, tf.constant(self._shifts, tf.uint32))
        indices = tf.cast(hashes, tf.int32) + tf.constant(self._starts[:-1], tf.int32)  # (batch, length, longest - 1)
        vectors = tf.cast(rows(indices, self.table.value), self.compute_dtype)
        if training and self.rate:
            vectors = drop(vectors, self.rate, self.seeds, (None, None, None, 1))
        return tf.reduce_sum(vectors, 2), whole[:, length:]

    def compute_output_spec(self, tokens: keras.KerasTensor, history: keras.KerasTensor, training: bool = False) -> Any:
        vectors = keras.KerasTensor((*tokens.shape, self.width), self.compute_dtype)
        return vectors, keras.KerasTensor(history.shape, history.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made from."""
        own = {name: getattr(self, name) for name in ("width", "longest", "rate", "code_points")}
        return {**super().get_config(), **own}
