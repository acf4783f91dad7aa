"""Learned vectors of the last few characters together, by their hash.

A recurrent network spends its first epochs on learning which few characters belong together. A table of vectors says it at
once, for the price of a look-up (FastText: Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information").
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from components.trainer.layers.dropout import drop
from components.trainer.layers.rows import rows

# Bits of a hash. A book of half a million characters has some 1,500 bigrams, 10,000 trigrams and 35,000 4-grams. More rows
# would make a step longer: an optimizer goes through all of them.
_MOST_BITS = 15

# Knuth's multiplicative hashing (The Art of Computer Programming, volume 3, section 6.4): 2^32 by the golden ratio.
_MULTIPLIER = 2_654_435_761


@keras.saving.register_keras_serializable("charseq")
class NgramVectors(layers.Layer):  # type: ignore[misc]
    """The sum of a text's n-grams' vectors at each character, for n from 2 to `longest`.

    N-grams of one hash share a vector.
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
        self.width, self.longest, self.rate, self.code_points = width, longest, rate, list(code_points)
        self.seeds = keras.random.SeedGenerator()

    def build(self, *shapes: Any) -> None:
        small = keras.initializers.RandomNormal(stddev=0.1)
        # Muon leaves what is called an embedding to AdamW.
        self.tables = [
            self.add_weight((1 << _bits(n), self.width), small, name=f"embedding_{n}")
            for n in range(2, self.longest + 1)
        ]

    def call(self, tokens: tf.Tensor, history: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the vectors, float [batch, length, width], and the characters before what follows, like `history`.

        Args:
          tokens: int32 [batch, length].
          history: The characters before them, the last one last, int32 [batch, longest - 1]; 0 where there was none.
          training: Whether to drop vectors.
        """
        length = tf.shape(tokens)[1]
        whole = tf.concat([history, tokens], 1)
        text, begin = tf.cast(self._hashed(whole), tf.uint32), self.longest - 1
        found = tf.zeros([1, 1, self.width], self.compute_dtype)
        key = _mix(text[:, begin:])
        for n, table in enumerate(self.tables, start=2):
            key = _mix(key + text[:, begin + 1 - n : begin + 1 - n + length])
            index = tf.cast(tf.bitwise.right_shift(key, tf.constant(32 - _bits(n), tf.uint32)), tf.int32)
            vectors = tf.cast(rows(index, table.value), self.compute_dtype)
            if training and self.rate:
                vectors = drop(vectors, self.rate, self.seeds, (None, None, 1))
            found += vectors
        return found, whole[:, length:]

    def _hashed(self, tokens: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.constant(self.code_points, tf.int32), tokens) if self.code_points else tokens

    def compute_output_spec(self, tokens: keras.KerasTensor, history: keras.KerasTensor, training: bool = False) -> Any:
        vectors = keras.KerasTensor((*tokens.shape, self.width), self.compute_dtype)
        return vectors, keras.KerasTensor(history.shape, history.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made from."""
        own = {name: getattr(self, name) for name in ("width", "longest", "rate", "code_points")}
        return {**super().get_config(), **own}


def _bits(n: int) -> int:
    return min(_MOST_BITS, 8 + 2 * n)


def _mix(key: tf.Tensor) -> tf.Tensor:
    """Returns uint32 keys such that the high bits depend on all bits."""
    key = (key + tf.constant(1, tf.uint32)) * tf.constant(_MULTIPLIER, tf.uint32)
    return tf.bitwise.bitwise_xor(key, tf.bitwise.right_shift(key, tf.constant(15, tf.uint32)))
