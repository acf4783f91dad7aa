"""Character indexing: the vocabulary by analysis of the training split, then padded indices.

Index 0 is padding; the characters follow, the most frequent first. A character that the training split does not have gets
index 0 too: the serving signatures compare the number of non-zero indices with the length of the string and refuse it.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

EXPRESSION = "expression"
ANSWER = "answer"
OTHERS = "others"
TOKENS = "tokens"
TARGETS = "targets"

# Name of the vocabulary in the Transform graph: a file of code points in decimal, one a line (a newline is a character
# of text like any other, and no line of a text file could hold it).
VOCABULARY = "characters"


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, int]) -> dict[str, tf.Tensor]:
    """Indexes expression and answer.

    Args:
      inputs: `expression` and `answer`, string [N, 1].
      custom_config: `input_length` and `output_length`, the characters to pad to.

    Returns:
      `tokens` int64 [N, input_length] and `targets` int64 [N, output_length], padded on the left, so that ones stand under
      ones and tens under tens.
    """
    expressions, answers = (code_points(tf.squeeze(inputs[name], axis=1)) for name in (EXPRESSION, ANSWER))
    vocabulary = write_vocabulary(tf.concat([expressions.flat_values, answers.flat_values], 0))

    def index(characters: tf.RaggedTensor, length: int) -> tf.Tensor:
        indices = tft.apply_vocabulary(characters, vocabulary, default_value=-1) + 1
        padded = indices[:, ::-1].to_tensor(default_value=0, shape=[None, length])  # (batch, length), last first
        return tf.reverse(padded, [1])

    return {
        TOKENS: index(expressions, custom_config["input_length"]),
        TARGETS: index(answers, custom_config["output_length"]),
    }


def code_points(text: tf.Tensor) -> tf.RaggedTensor:
    """Returns the Unicode code points of strings [N]: ragged int64 [N, characters]; U+FFFD where bytes are no UTF-8."""
    return tf.cast(tf.strings.unicode_decode(text, "UTF-8", errors="replace"), tf.int64)


def write_vocabulary(characters: tf.Tensor) -> tf.Tensor:
    """Returns the path of the vocabulary of code points, int64 [N], the most frequent first."""
    # With weights, characters are counted in the graph, a batch at a time; without, each passes through Beam by itself,
    # which for text is half of Transform's time.
    weights = tf.ones_like(characters)
    return tft.vocabulary(characters, vocab_filename=VOCABULARY, weights=weights)


def read_vocabulary(transform_output: tft.TFTransformOutput) -> list[str]:
    """Returns the characters by index, the empty string for padding at index 0."""
    return ["", *(chr(int(line)) for line in transform_output.vocabulary_by_name(VOCABULARY))]
