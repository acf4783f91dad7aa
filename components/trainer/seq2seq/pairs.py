"""A split's pairs as two arrays of indices: 500,000 pairs of 10 tokens a side are 30 MB."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.files import match_all
from components.trainer.checkpoint import fingerprint
from components.transform.preprocessing import TARGETS, TOKENS
from components.transform.token_pairs import END, PADDING

# Examples decoded at a time.
_READ_BATCH = 8_192

Indices = npt.NDArray[np.unsignedinteger[Any]]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of indices of different lengths, one after the other; each ends with END.

    Attributes:
      flat: All indices, [tokens], of the smallest unsigned integer type that holds them.
      lengths: Indices of each row, END included, int64 [N].
    """

    flat: Indices
    lengths: npt.NDArray[np.int64]

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each row starts in `flat`, int64 [N]."""
        starts: npt.NDArray[np.int64] = np.cumsum(self.lengths) - self.lengths
        return starts

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], size: int) -> "Rows":
        """Makes them of rows without END, whose indices are below `size`."""
        lengths = np.array([len(row) + 1 for row in rows], np.int64)
        flat = np.array([index for row in rows for index in (*row, END)], np.min_scalar_type(size - 1))
        return cls(flat, lengths)

    def padded(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Returns some rows as int32 [rows, longest], with padding on the right."""
        starts, lengths = self.starts[rows, np.newaxis], self.lengths[rows, np.newaxis]
        columns = np.arange(lengths.max(initial=0))
        inside = columns < lengths
        return np.where(inside, self.flat[np.where(inside, starts + columns, 0)], PADDING).astype(np.int32)

    def __len__(self) -> int:
        return len(self.lengths)


@dataclasses.dataclass(frozen=True)
class TokenPairs:
    """One split.

    Attributes:
      source: The inputs.
      target: Their answers.
    """

    source: Rows
    target: Rows

    def __len__(self) -> int:
        return len(self.source)

    def fingerprint(self) -> str:
        """Returns a hash of the content."""
        return fingerprint(self.source.flat, self.source.lengths, self.target.flat, self.target.lengths)


def read_pairs(
    patterns: list[str], transform_output: tft.TFTransformOutput, source_size: int, target_size: int
) -> TokenPairs:
    """Reads transformed examples.

    Args:
      patterns: Globs of gzipped TFRecord files.
      transform_output: Says how the examples are encoded: ragged `tokens` and `targets`.
      source_size: One more than the largest index of an input.
      target_size: Likewise of an answer.
    """
    paths = match_all(patterns)
    spec = transform_output.transformed_feature_spec()

    def parse(records: tf.Tensor) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        parsed = tf.io.parse_example(records, spec)
        rows = {}
        for name, size in ((TOKENS, source_size), (TARGETS, target_size)):
            end = tf.fill([tf.shape(records)[0], 1], tf.constant(END, tf.int64))
            ended = tf.concat([parsed[name], tf.RaggedTensor.from_tensor(end)], axis=1)
            rows[name] = (tf.cast(ended.flat_values, np.min_scalar_type(size - 1)), ended.row_lengths())
        return rows

    records = tf.data.TFRecordDataset(paths, "GZIP").batch(_READ_BATCH)
    batches = list(records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).as_numpy_iterator())
    return TokenPairs(
        *(
            Rows(*(np.concatenate(arrays) for arrays in zip(*(b[name] for b in batches), strict=True)))
            for name in (TOKENS, TARGETS)
        )
    )
