"""A file of examples, written whole by one Beam worker.

Beam may try a piece of work again, on another machine, and also while the first one that has it is still at work. So a file
is written aside, under a name that is no one else's, and then renamed: whoever is last puts the same bytes there.
"""

import os
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from serving.contract.varints import encode_varint

# Beside the splits, so that what a killed worker leaves is not read as a shard.
_ASIDE = ".parts"


class ExampleFile:
    """A gzipped TFRecord file of tf.Examples that is there when it is left without an error: a context manager.

    Attributes:
      path: Where it then is.
    """

    def __init__(self, examples_uri: str, split: str, name: str, schema: schema_pb2.Schema | None = None):
        """Begins a file.

        Args:
          examples_uri: Folder of the Examples artifact, on any file system that TensorFlow opens.
          split: Name of the split.
          name: Name of the file.
          schema: What the columns are, where one of them is ragged.
        """
        self.path = os.path.join(examples_uri, f"Split-{split}", name)
        self._aside = os.path.join(examples_uri, _ASIDE, f"{split}-{name}-{uuid.uuid4().hex}")
        for path in (self.path, self._aside):
            tf.io.gfile.makedirs(os.path.dirname(path))
        self._schema = schema
        self._writer = tf.io.TFRecordWriter(self._aside, "GZIP")

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds the rows of a batch, whose columns are lists."""
        for example in encode_examples(batch, self._schema):
            self._writer.write(example)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        if error is None:
            tf.io.gfile.rename(self._aside, self.path, overwrite=True)
        else:
            tf.io.gfile.remove(self._aside)


def encode_examples(batch: pa.RecordBatch, schema: schema_pb2.Schema | None = None) -> Iterator[bytes]:
    """Yields the rows of a batch as serialized tf.Examples, their features in the order of their names.

    TFX's encoder orders the entries of an example's map as its process's hash function has it: other bytes in every process.

    Args:
      batch: Columns of lists.
      schema: What the columns are, where one of them is ragged.
    """
    if schema is not None and _has_ragged(schema):
        for example in RecordBatchToExamplesEncoder(schema).encode(batch):
            yield tf.train.Example.FromString(example).SerializeToString(deterministic=True)
        return
    # A column at a time, whose examples have one feature each; that is a quarter of the time of parsing whole ones.
    names = sorted(batch.schema.names)
    columns = (RecordBatchToExamplesEncoder().encode(batch.select([name])) for name in names)
    for row in zip(*columns, strict=True):
        features = b"".join(map(_features, row))
        yield _FEATURES_TAG + encode_varint(len(features)) + features


def _has_ragged(schema: schema_pb2.Schema) -> bool:
    """Returns whether there are columns whose features the encoder gives other names."""
    groups = schema.tensor_representation_group.values()
    return any(kind.HasField("ragged_tensor") for group in groups for kind in group.tensor_representation.values())


# Field 1 of tf.train.Example, a message.
_FEATURES_TAG = b"\x0a"


def _features(example: bytes) -> bytes:
    """Returns what a serialized tf.Example has in its only field, behind its tag and length."""
    begin = 2
    while len(example) - begin >= 1 << 7 * (begin - 1):
        begin += 1
    return example[begin:]


def remove_unfinished(examples_uri: str) -> None:
    """Removes what killed workers have left; for the process that started the work, when it has ended."""
    aside = os.path.join(examples_uri, _ASIDE)
    if tf.io.gfile.exists(aside):
        tf.io.gfile.rmtree(aside)
