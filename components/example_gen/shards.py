"""Shards of examples: TFRecord files of tf.Example, each written whole by one worker.

A shard's name, content and order follow from the settings alone. Beam only decides which worker writes which shard, so the
bytes are the same for every runner and number of workers, and a bundle that Beam runs again writes the same file again.
"""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator

import pyarrow as pa
import tensorflow as tf

from components.example_file import ExampleFile
from components.example_gen.splits import SPLITS, Sides
from components.files import list_files

# Bytes of a file that are held at a time.
_CHUNK = 1 << 20

# Examples that are read at a time. TensorFlow takes as long to hand over one as a thousand.
_BATCH = 1_024

# A batch of examples: Arrow columns of one-element lists, and on which side each of its rows is.
SplitBatch = tuple[pa.RecordBatch, Sides]


def shard_name(shard: int, shards: int) -> str:
    """Returns what a shard is called in its split; the names are those that TFX's own ExampleGen gives."""
    return f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """What a shard has of a split.

    Attributes:
      split: The split.
      shard: Index of the shard.
      examples: How many.
      sha256: The file's SHA-256, in hexadecimal.
    """

    split: str
    shard: int
    examples: int
    sha256: str


def write_shard(batches: Iterable[SplitBatch], examples_uri: str, shard: int, shards: int) -> list[ShardFile]:
    """Writes one shard of every split, aside and then under its final name.

    Args:
      batches: Batches of examples, in order.
      examples_uri: Folder of the Examples artifact, on any file system that TensorFlow opens.
      shard: Index of this shard.
      shards: Number of shards.

    Returns:
      What was written, a file for each split.
    """
    counts = dict.fromkeys(SPLITS, 0)
    with contextlib.ExitStack() as stack:
        files = {
            split: stack.enter_context(ExampleFile(examples_uri, split, shard_name(shard, shards))) for split in SPLITS
        }
        for batch, sides in batches:
            for index, split in enumerate(SPLITS):
                rows = sides == index
                files[split].write(batch.filter(pa.array(rows)))
                counts[split] += int(rows.sum())
    return [ShardFile(split, shard, counts[split], _sha256(file.path)) for split, file in files.items()]


def fingerprint(files: Iterable[ShardFile]) -> str:
    """Returns a name for the content of all shards together, the same whoever wrote them in which order."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: (file.split, file.shard)):
        digest.update(f"{file.split} {file.shard} {file.sha256}\n".encode())
    return digest.hexdigest()


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def split_files(examples_uri: str, split: str) -> list[str]:
    """Returns the files of a split, in the order of its shards."""
    return list_files(os.path.join(examples_uri, f"Split-{split}"))


def read_examples(examples_uri: str, split: str) -> Iterator[bytes]:
    """Yields the serialized tf.Examples of a split, in the order of its shards."""
    for path in split_files(examples_uri, split):
        for records in tf.data.TFRecordDataset(path, "GZIP").batch(_BATCH).as_numpy_iterator():
            yield from records.tolist()
