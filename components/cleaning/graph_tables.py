"""Unicode's tables in a graph, and strings as code points for them.

Strings are ragged code points with a NUL before each: a character that no mark joins, that is no letter, and that never moves,
so that the flat values of a batch can be worked on as one text.
"""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from components.cleaning.unicode_tables import Mapping, Ranges

_STRINGS = tf.TensorSpec([None], tf.string)


def rare_function(
    function: Callable[[tf.Tensor], tf.Tensor], spec: tf.TensorSpec = _STRINGS
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function of one tensor that is one op to a graph in which it rarely runs.

    Its tables are constants within it: a SavedModel has them once, however many signatures call it, and a branch that is not
    taken does not pass them on.

    Args:
      function: What to make of the tensor.
      spec: Its shape and dtype; strings [N] unless said otherwise.
    """
    compiled: Callable[[tf.Tensor], tf.Tensor] = tf.function(
        function, input_signature=[spec], autograph=False, experimental_attributes={"_noinline": True}
    )
    return compiled


def look_up(ranges: Ranges, points: tf.Tensor) -> tf.Tensor:
    """Returns the property that `ranges` holds of code points int32 [M]: int32 [M]."""
    return tf.gather(ranges.values, tf.searchsorted(tf.constant(ranges.starts), points, side="right") - 1)


def replace(mapping: Mapping, text: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns a text of code points int32 [N, characters] with each replaced that the mapping has."""
    points = text.flat_values
    found, index = find(mapping.keys, points)
    counts = tf.where(found, tf.gather(mapping.lengths, index), 1)
    within = tf.range(tf.reduce_sum(counts)) - tf.repeat(tf.cumsum(counts, exclusive=True), counts)
    # What is not found reads some place of the table; it is not used.
    places = tf.repeat(tf.gather(mapping.begins, index), counts) + within
    replaced = tf.gather(mapping.values, tf.minimum(places, len(mapping.values) - 1))
    flat = tf.where(tf.repeat(found, counts), replaced, tf.repeat(points, counts))
    row_lengths = tf.reduce_sum(text.with_flat_values(counts), axis=1)
    return tf.RaggedTensor.from_row_lengths(flat, row_lengths, validate=False)


def find(keys: npt.NDArray[Any], values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns which values [M] are among ascending keys [K], bool [M], and where, int32 [M]: any place for one that is not."""
    # One constant: a NumPy array would become another one for each use.
    table = tf.constant(keys)
    index = tf.minimum(tf.searchsorted(table, values), len(keys) - 1)
    return tf.gather(table, index) == values, index


def to_points(text: tf.Tensor) -> tf.RaggedTensor:
    """Returns the code points of strings [N], a NUL before each string: ragged int32 [N, 1 + characters]."""
    points = tf.strings.unicode_decode(text, "UTF-8", errors="replace")
    return tf.concat([tf.zeros([tf.shape(text)[0], 1], tf.int32), points], axis=1)


def to_strings(points: tf.RaggedTensor, text: tf.Tensor) -> tf.Tensor:
    """Returns code points as `to_points` has them as strings [N].

    Args:
      points: Ragged int32 [N, 1 + characters].
      text: What they were made from, string [N]. A string that is not UTF-8 is returned as it was, so that it can be refused.
    """
    readable = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace") == text
    return tf.where(readable, tf.strings.unicode_encode(points[:, 1:], "UTF-8"), text)
