"""Indexing of pairs whose sides have vocabularies of their own, by analysis of the training split.

The first indices of both vocabularies have a meaning of their own; tokens follow, the most frequent first. A side's tokens are
its characters, or what stands between separators.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.transform.preprocessing import ANSWER, EXPRESSION, TARGETS, TOKENS, code_points

# What the first indices of a vocabulary stand for: nothing, since a row is shorter than others; the start of an answer; the
# end of an input or an answer; a token that training does not have. FIRST is the index of the first token.
PADDING, BEGIN, END, UNKNOWN, FIRST = range(5)

SOURCE_VOCABULARY = "source_tokens"
TARGET_VOCABULARY = "target_tokens"


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, str]) -> dict[str, tf.RaggedTensor]:
    """Indexes the tokens of inputs and answers.

    Args:
      inputs: `expression` and `answer`, string [N, 1].
      custom_config: `source_separator` and `target_separator`: what stands between two tokens of a side. Where it is missing or
        empty, every character is a token.

    Returns:
      `tokens` and `targets`, ragged int64 [N, tokens of the row], neither with a start nor an end.
    """
    sides = (
        (TOKENS, EXPRESSION, "source_separator", SOURCE_VOCABULARY),
        (TARGETS, ANSWER, "target_separator", TARGET_VOCABULARY),
    )
    indexed = {}
    for output, name, separator, filename in sides:
        keys = _split_to_keys(tf.squeeze(inputs[name], axis=1), custom_config.get(separator, ""))
        # With weights, tokens are counted in the graph, a batch at a time; without, each passes through Beam by itself.
        weights = tf.ones_like(keys.flat_values, tf.int64)
        vocabulary = tft.vocabulary(keys.flat_values, vocab_filename=filename, weights=weights)
        indexed[output] = tft.apply_vocabulary(keys, vocabulary, default_value=UNKNOWN - FIRST) + FIRST
    return indexed


def split(text: tf.Tensor, separator: str) -> tf.RaggedTensor:
    """Returns the tokens of strings [N]: ragged string [N, tokens]. Separators in a row, or at an end, make no empty token."""
    if not separator:
        return tf.strings.unicode_split(text, "UTF-8", errors="replace")
    tokens = tf.strings.split(text, separator)
    return tf.ragged.boolean_mask(tokens, tokens != "")


def _split_to_keys(text: tf.Tensor, separator: str) -> tf.RaggedTensor:
    """Returns the tokens of strings [N] as a vocabulary can count and find them: ragged [N, tokens].

    Characters are int64, their code points, which is several times as fast as strings. Other tokens are what `as_lines` makes
    of them. The file of either vocabulary has the same lines.
    """
    if separator:
        tokens = split(text, separator)
        return tokens.with_flat_values(as_lines(tokens.flat_values))
    return code_points(text)


def read_vocabulary(transform_output: tft.TFTransformOutput, name: str) -> list[str]:
    """Returns the tokens of a side by index, the empty string for the indices below FIRST."""
    lines = transform_output.vocabulary_by_name(name)
    return [""] * FIRST + [read_line(line) for line in lines]


def as_lines(tokens: tf.Tensor) -> tf.Tensor:
    """Returns tokens [N] as the vocabulary's file has them: code points in decimal, for a newline is a token like others."""
    code_points = tf.strings.unicode_decode(tokens, "UTF-8", errors="replace")
    numbers = code_points.with_flat_values(tf.strings.as_string(code_points.flat_values))
    return tf.strings.reduce_join(numbers, axis=-1, separator="-")


def read_line(line: bytes) -> str:
    """Returns the token that `as_lines` wrote."""
    return "".join(chr(int(number)) for number in line.split(b"-"))
