"""What the `evaluate` signatures share: what a model cannot say and what it costs, and edit distances in the graph."""

import math
from typing import Any

import tensorflow as tf

from components.transform.preprocessing import ANSWER, EXPRESSION, OTHERS
from components.transform.token_pairs import as_lines

# The natural logarithm of the smallest normal float32: what a symbol costs that a model gives no probability at all.
IMPOSSIBLE = math.log(2.0**-126)


# An output: the tokens of what is right that the model lacks, see `join_unsayable`.
UNSAYABLE = "unsayable"

# The right answers of an example, in what `parse_answers` returns.
ANSWERS = "answers"


def parse_answers(examples: tf.Tensor) -> dict[str, Any]:
    """Reads serialized examples whose answers are strings.

    Args:
      examples: string [N].

    Returns:
      `expression` and `answer`, string [N], and `answers`, ragged string [N, answers]: `answer`, then the `others` that are
      right as well.
    """
    fixed = tf.io.FixedLenFeature([1], tf.string)
    spec = {EXPRESSION: fixed, ANSWER: fixed, OTHERS: tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)}
    parsed = tf.io.parse_example(examples, spec)
    first = tf.RaggedTensor.from_tensor(parsed[ANSWER])
    answers = tf.concat([first, parsed[OTHERS]], axis=1)
    return {EXPRESSION: parsed[EXPRESSION][:, 0], ANSWER: parsed[ANSWER][:, 0], ANSWERS: answers}


def join_unsayable(tokens: tf.Tensor, lacks: tf.Tensor, rows: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns the tokens that a model lacks, example by example.

    Args:
      tokens: Tokens of what is right, string [M].
      lacks: Which of them the model lacks, bool [M].
      rows: The example that each token belongs to, int [M], ascending.
      count: How many examples there are, N.

    Returns:
      string [N]: each token as the vocabulary's file has it (`components.transform.token_pairs.as_lines`), with spaces between
      them. A model that lacks none of them has the empty string.
    """
    lines = as_lines(tf.boolean_mask(tokens, lacks))
    rows = tf.cast(tf.boolean_mask(rows, lacks), tf.int64)
    by_example = tf.RaggedTensor.from_value_rowids(lines, rows, tf.cast(count, tf.int64), validate=False)
    return tf.strings.reduce_join(by_example, axis=1, separator=" ")


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


def nearest_answer(predicted: tf.Tensor, answers: tf.RaggedTensor, separator: str = "") -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the edits to the nearest right answer, and how many symbols that one has: float32 [N] each.

    Args:
      predicted: string [N].
      answers: The right answers, ragged string [N, answers].
      separator: As for `edit_distance`.
    """
    rows = tf.cast(answers.value_rowids(), tf.int32)
    count = tf.shape(predicted)[0]
    edits = edit_distance(tf.gather(predicted, rows), answers.flat_values, separator)
    fewest = tf.math.unsorted_segment_min(edits, rows, count)
    # The longest of the answers that are equally near.
    lengths = tf.where(edits == tf.gather(fewest, rows), count_symbols(answers.flat_values, separator), -1.0)
    return fewest, tf.math.unsorted_segment_max(lengths, rows, count)


def count_symbols(text: tf.Tensor, separator: str = "") -> tf.Tensor:
    """Returns how many symbols strings [N] have: float32 [N]."""
    return tf.cast(_split(text, separator).row_lengths(), tf.float32)


def _symbols(text: tf.Tensor, separator: str) -> tf.SparseTensor:
    return _split(text, separator).to_sparse()


def _split(text: tf.Tensor, separator: str) -> tf.RaggedTensor:
    if separator:
        return tf.strings.split(text, separator)
    return tf.strings.unicode_split(text, "UTF-8", errors="replace")
