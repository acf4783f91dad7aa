"""Rows of a table by their index, with a gradient that XLA makes quickly."""

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient  # type: ignore[untyped-decorator]
def rows(indices: tf.Tensor, table: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[None, tf.Tensor]]]:
    """Returns rows of a table [rows, columns]: [..., columns]."""

    def gradient(d_rows: tf.Tensor) -> tuple[None, tf.Tensor]:
        # Dense, unlike tf.gather's own gradient, which optimizers treat in another way; and of many addends, so no bfloat16.
        sums = tf.math.unsorted_segment_sum(tf.cast(d_rows, tf.float32), indices, table.shape[0])
        return None, tf.cast(sums, d_rows.dtype)

    return tf.gather(table, indices), gradient
