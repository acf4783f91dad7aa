"""Token arrays and the order in which training sees them.

Tokens are small integers, so a data set of them is small (10,000,000 sums are 170 MB) and is held in memory as it is; one-hot
vectors exist for a batch at a time, on the device. The order is a pure function of seed, epoch and position, so a training
that goes on from a checkpoint sees what an uninterrupted one would have seen.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.files import match_all
from components.trainer.checkpoint import fingerprint
from components.transform.preprocessing import TARGETS, TOKENS

# Examples decoded, or validated, at a time.
_READ_BATCH = 8_192

# Enough that a step never waits: making a batch takes a tenth of a step's time.
_PREFETCHED_ELEMENTS = 4


@dataclasses.dataclass(frozen=True)
class TokenArrays:
    """One split.

    Attributes:
      tokens: Indices of the expressions, [N, input_length], of the smallest unsigned integer type that holds them.
      targets: Indices of the answers, [N, output_length].
    """

    tokens: npt.NDArray[np.unsignedinteger]
    targets: npt.NDArray[np.unsignedinteger]

    def __len__(self) -> int:
        return len(self.tokens)

    def fingerprint(self) -> str:
        """Returns a hash of the content."""
        return fingerprint(self.tokens, self.targets)


def read_tokens(patterns: list[str], transform_output: tft.TFTransformOutput, vocabulary_size: int) -> TokenArrays:
    """Reads transformed examples.

    Args:
      patterns: Globs of gzipped TFRecord files.
      transform_output: Says how the examples are encoded.
      vocabulary_size: One more than the largest index.
    """
    paths = match_all(patterns)
    dtype = np.min_scalar_type(vocabulary_size - 1)
    spec = transform_output.transformed_feature_spec()
    records = tf.data.TFRecordDataset(paths, "GZIP").batch(_READ_BATCH)
    parsed = records.map(
        lambda batch: {name: tf.cast(column, dtype) for name, column in tf.io.parse_example(batch, spec).items()},
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    batches = list(parsed.prefetch(1).as_numpy_iterator())
    return TokenArrays(*(np.concatenate([batch[name] for batch in batches]) for name in (TOKENS, TARGETS)))


def training_dataset(
    arrays: TokenArrays, batch_size: int, drop_remainder: bool, seed: int, start_epoch: int, at_a_time: int = 1
) -> tf.data.Dataset:
    """Returns endless batches, from the first batch of `start_epoch` on.

    Every epoch is a permutation of all examples of its own; if the batch size does not divide them, its last batch is smaller,
    or left out if `drop_remainder` is set. An element is the rows of `at_a_time` batches, a divisor of an epoch's steps.

    Returns:
      Data set of (tokens int32 [batch, input_length], targets int32 [batch, output_length]).
    """
    count = len(arrays)
    steps = steps_per_epoch(count, batch_size, drop_remainder)
    used = min(count, steps * batch_size)
    elements, most = steps // at_a_time, at_a_time * batch_size
    tokens, targets = tf.constant(arrays.tokens), tf.constant(arrays.targets)

    @tf.autograph.experimental.do_not_convert
    def rows_of(element: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch, first = element // elements, element % elements * most
        size = most if used % most == 0 else tf.minimum(tf.constant(most, tf.int64), used - first)
        positions = first + tf.range(size, dtype=tf.int64)
        rows = tf.random.experimental.index_shuffle(
            positions, tf.stack([tf.constant(seed, tf.int64), epoch]), tf.cast(count - 1, tf.int64)
        )
        return tuple(tf.cast(tf.gather(array, rows), tf.int32) for array in (tokens, targets))

    # With autotuning on, the data set's end waits for its tuning thread's sleep, which doubles up to 40 s.
    options = tf.data.Options()
    options.autotune.enabled = False
    order = tf.data.Dataset.range(start_epoch * elements, 2**62)
    return order.map(rows_of).prefetch(_PREFETCHED_ELEMENTS).with_options(options)


def evaluation_dataset(arrays: TokenArrays) -> tf.data.Dataset:
    """Returns every example once, in order, in batches like those of `training_dataset` but large."""
    slices = tf.data.Dataset.from_tensor_slices((arrays.tokens, arrays.targets)).batch(_READ_BATCH)
    return slices.map(lambda *columns: tuple(tf.cast(column, tf.int32) for column in columns)).cache()


def steps_per_epoch(examples: int, batch_size: int, drop_remainder: bool) -> int:
    """Returns the batches of an epoch.

    Raises:
      ValueError: There would be none.
    """
    if not drop_remainder:
        return -(-examples // batch_size)
    if examples < batch_size:
        raise ValueError(f"{examples} training examples do not fill a batch of {batch_size}; lower train.batch_size")
    return examples // batch_size
