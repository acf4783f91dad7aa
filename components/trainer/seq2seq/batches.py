"""Batches of pairs of like lengths, in an order that is a pure function of seed and epoch.

XLA compiles a training step for each shape of a batch, which takes seconds. So there are few shapes, chosen such that batches
have the least padding.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.seq2seq.pairs import Rows, TokenPairs
from components.transform.token_pairs import BEGIN, PADDING

# Candidates for the shapes' lengths. More of them find no better ones.
_CANDIDATES = 64

_VALIDATION_ROWS = 256

# A validation looks at no more pairs: of a larger split at some that are evenly spread over it.
_VALIDATION_PAIRS = 4_096

# Enough that a step never waits: making a batch takes a hundredth of a step's time.
_PREFETCHED_BATCHES = 8

# (source, begun), targets, weights
Batch = tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor, tf.Tensor]

Integers = npt.NDArray[np.int64]


class Buckets:
    """Shapes of batches, from short to long.

    From the longest pairs to the shortest, so many at a time make a batch, whose shape is that of its longest pair. The last
    of these, with the shortest pairs, has empty rows if there are not enough.
    """

    def __init__(self, pairs: TokenPairs, batch_size: int, most: int):
        """Chooses the shapes.

        Args:
          pairs: Those to train on.
          batch_size: Rows of a batch.
          most: Most shapes.
        """
        lengths = np.stack([pairs.source.lengths, pairs.target.lengths], axis=1)  # (pairs, 2)
        self.shapes = _choose_shapes(lengths, most)  # (shapes, 2)
        self._bucket = _places(lengths, self.shapes)
        self._batch_size = batch_size
        self.steps = -(-len(pairs) // batch_size)

    def order(self, seed: int, epoch: int) -> tuple[Integers, Integers]:
        """Returns an epoch's batches.

        Returns:
          Pairs of each batch, [steps, batch_size], -1 for an empty row; and the shape of each batch, [steps, 2].
        """
        random = np.random.default_rng([seed, epoch])
        shuffled = random.permutation(len(self._bucket))
        by_bucket = shuffled[np.argsort(self._bucket[shuffled], kind="stable")]
        empty = np.full(self.steps * self._batch_size - len(by_bucket), -1, np.int64)
        rows = np.concatenate([empty, by_bucket]).reshape(self.steps, self._batch_size)
        # Which pairs share a batch with those of a longer bucket changes with the epoch.
        shapes = self.shapes[self._bucket[rows[:, -1]]]
        batches = random.permutation(self.steps)
        return rows[batches], shapes[batches]


def _choose_shapes(lengths: Integers, most: int) -> Integers:
    """Returns the shapes [shapes, 2], at most `most`, with the fewest indices in all batches.

    A pair's place among the others is that of its source or of its target, whichever is longer among its like. Candidates
    are evenly spread quantiles of both; the best of them by dynamic programming.
    """
    quantiles = np.linspace(0, 1, _CANDIDATES + 1)[1:]
    candidates = np.unique(np.quantile(lengths, quantiles, axis=0, method="higher"), axis=0)  # (candidates, 2)
    counts = np.cumsum(np.bincount(_places(lengths, candidates), minlength=len(candidates)))
    widths = candidates.sum(axis=1)
    # By candidate: the fewest indices of the pairs that fit it, and the shapes that do so, of which it is the last.
    best: list[tuple[int, tuple[int, ...]]] = [(counts[j] * widths[j], (j,)) for j in range(len(candidates))]
    for _ in range(most - 1):
        best = [
            min([best[j], *((best[i][0] + (counts[j] - counts[i]) * widths[j], (*best[i][1], j)) for i in range(j))])
            for j in range(len(candidates))
        ]
    chosen: Integers = candidates[list(best[-1][1])]
    return chosen


def _places(lengths: Integers, shapes: Integers) -> Integers:
    """Returns the index of the first shape that a pair of lengths [N, 2] fits, [N]."""
    source, target = (np.searchsorted(shapes[:, side], lengths[:, side]) for side in (0, 1))
    places: Integers = np.maximum(source, target)
    return places


def training_batches(pairs: TokenPairs, buckets: Buckets, seed: int, start_epoch: int) -> tf.data.Dataset:
    """Returns endless batches, from the first batch of `start_epoch` on.

    Returns:
      Data set of ((source int32 [batch, source_length], begun int32 [batch, target_length]), targets int32 [batch,
      target_length], weights float32 [batch, target_length]). `begun` is BEGIN and all targets but the last; the weight of
      padding, which is on the right, is 0.
    """
    source, target = _Table(pairs.source), _Table(pairs.target)

    @tf.autograph.experimental.do_not_convert
    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        # Python is asked once an epoch, not for every batch.
        rows, shapes = tf.numpy_function(lambda epoch: buckets.order(seed, int(epoch)), [epoch], [tf.int64, tf.int64])

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> Batch:
            own = tf.ensure_shape(rows, [None, None])[step]
            shape = tf.ensure_shape(shapes, [None, 2])[step]
            return _as_example(source.look_up(own, shape[0]), target.look_up(own, shape[1]))

        return tf.data.Dataset.range(buckets.steps).map(batch)

    # With autotuning on, the data set's end waits for its tuning thread's sleep, which doubles up to 40 s.
    options = tf.data.Options()
    options.autotune.enabled = False
    epochs = tf.data.Dataset.range(start_epoch, 2**62)
    return epochs.flat_map(batches).prefetch(_PREFETCHED_BATCHES).with_options(options)


def validation_batches(pairs: TokenPairs) -> tf.data.Dataset:
    """Returns a split like `training_batches`, once, in batches of one shape; of a large split an even share."""
    chosen = np.arange(0, len(pairs), -(-len(pairs) // _VALIDATION_PAIRS))
    batch_size = min(_VALIDATION_ROWS, len(chosen))
    rows = np.full(-(-len(chosen) // batch_size) * batch_size, -1, np.int64)
    rows[: len(chosen)] = chosen
    source, target = _Table(pairs.source), _Table(pairs.target)
    widths = [int(side.lengths.max()) for side in (pairs.source, pairs.target)]
    batches = tf.data.Dataset.from_tensor_slices(rows.reshape(-1, batch_size))
    return batches.map(lambda own: _as_example(source.look_up(own, widths[0]), target.look_up(own, widths[1]))).cache()


class _Table:
    """Rows of indices in TensorFlow."""

    def __init__(self, rows: Rows):
        self._flat, self._starts, self._lengths = (
            tf.constant(array) for array in (rows.flat, rows.starts, rows.lengths)
        )

    def look_up(self, rows: tf.Tensor, width: tf.Tensor | int) -> tf.Tensor:
        """Returns rows int64 [N] as int32 [N, width], with padding on the right; all of it where a row is -1."""
        known = tf.maximum(rows, 0)
        starts = tf.gather(self._starts, known)[:, tf.newaxis]
        lengths = tf.where(rows < 0, tf.constant(0, tf.int64), tf.gather(self._lengths, known))[:, tf.newaxis]
        column = tf.range(tf.cast(width, tf.int64))
        inside = column < lengths
        return tf.where(inside, tf.cast(tf.gather(self._flat, tf.where(inside, starts + column, 0)), tf.int32), 0)


def _as_example(source: tf.Tensor, targets: tf.Tensor) -> Batch:
    begin = tf.fill([tf.shape(targets)[0], 1], BEGIN)
    weights = tf.cast(targets != PADDING, tf.float32)
    return (source, tf.concat([begin, targets[:, :-1]], axis=1)), targets, weights
