"""What the `evaluate` signatures share: the cost of what a model cannot say, and edit distances in the graph."""

import math

import tensorflow as tf

# The natural logarithm of the smallest normal float32: what a symbol costs that a model gives no probability at all.
IMPOSSIBLE = math.log(2.0**-126)


def edit_distance(predicted: tf.Tensor, right: tf.Tensor, separator: str = "") -> tf.Tensor:
    """Returns the fewest insertions, deletions and substitutions that make one string of another (Levenshtein 1966).

    Args:
      predicted: string [N].
      right: string [N].
      separator: What the symbols of a string are separated by; empty if each character is one.

    Returns:
      float32 [N].
    """
    return tf.edit_distance(_symbols(predicted, separator), _symbols(right, separator), normalize=False)


def count_symbols(text: tf.Tensor, separator: str = "") -> tf.Tensor:
    """Returns how many symbols strings [N] have: float32 [N]."""
    return tf.cast(_split(text, separator).row_lengths(), tf.float32)


def _symbols(text: tf.Tensor, separator: str) -> tf.SparseTensor:
    return _split(text, separator).to_sparse()


def _split(text: tf.Tensor, separator: str) -> tf.RaggedTensor:
    if separator:
        return tf.strings.split(text, separator)
    return tf.strings.unicode_split(text, "UTF-8", errors="replace")
