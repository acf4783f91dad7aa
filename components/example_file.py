"""A file of examples, written whole by one Beam worker.

Beam may try a piece of work again, on another machine, and also while the first one that has it is still at work. So a file
is written aside, under a name that is no one else's, and then renamed: whoever is last puts the same bytes there.
"""

import os
import uuid
from types import TracebackType
from typing import Self

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

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
        self._encoder = RecordBatchToExamplesEncoder(schema)
        self._writer = tf.io.TFRecordWriter(self._aside, "GZIP")

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds the rows of a batch, whose columns are lists."""
        for example in self._encoder.encode(batch):
            # The encoder orders a map's entries as that process's hash function has it.
            parsed = tf.train.Example.FromString(example)
            self._writer.write(parsed.SerializeToString(deterministic=True))

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


def remove_unfinished(examples_uri: str) -> None:
    """Removes what killed workers have left; for the process that started the work, when it has ended."""
    aside = os.path.join(examples_uri, _ASIDE)
    if tf.io.gfile.exists(aside):
        tf.io.gfile.rmtree(aside)
