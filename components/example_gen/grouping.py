"""Pairs put together by their input: all answers of an input are found, whatever file and row they come from.

Rows are sorted into buckets by a hash of their input, each bucket a stretch of all hashes, and the buckets are small enough to
be in memory. A bucket becomes a shard, ordered by that hash: so the examples do not depend on how the rows are divided among
files, on their order, or on who reads them.
"""

import hashlib
import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from components.example_gen.pairs import GroupCounts
from components.example_gen.shards import SplitBatch
from components.example_gen.splits import TEST, TRAIN, VALIDATION, SplitData, sides
from components.files import write_file

_Hashes = npt.NDArray[np.uint64]
_Index = npt.NDArray[np.int64]

# Examples that are encoded at a time.
_BATCH_ROWS = 16_384

# With fewer inputs the shares could leave a split empty. They are divided by rank, so that each split has one.
_FEW_INPUTS = 100

_SCHEMA = pa.schema([("input", pa.string()), ("target", pa.string()), ("hash", pa.uint64()), ("source", pa.uint8())])


def hash_inputs(inputs: pa.Array | pa.ChunkedArray) -> _Hashes:
    """Returns the first 64 bits of SHA-256 of each input's UTF-8: uint64 [N]."""
    texts = inputs.cast(pa.binary()).to_pylist()
    return np.array([int.from_bytes(hashlib.sha256(text).digest()[:8], "big") for text in texts], np.uint64)


def write_buckets(pairs: pa.Table, source: int, folder: str, name: str, buckets: int) -> None:
    """Writes some rows into a file for each bucket that has any of them.

    Args:
      pairs: Columns `input` and `target`, strings.
      source: Index in SPLITS of the files that they are from; 0 if their side follows from the input.
      folder: Folder of the buckets, which every worker sees.
      name: Name of the files, in the order in which rows are to be.
      buckets: How many there are, a power of 2.
    """
    pairs = pairs.combine_chunks()
    hashes = hash_inputs(pairs.column("input"))
    sources = pa.array(np.full(len(hashes), source, np.uint8))
    table = pa.Table.from_arrays(
        [pairs.column("input"), pairs.column("target"), pa.array(hashes), sources], schema=_SCHEMA
    )
    of_row: _Index = np.zeros(len(hashes), np.int64)
    if buckets > 1:
        of_row = (hashes >> np.uint64(64 - (buckets.bit_length() - 1))).astype(np.int64)
    order = np.argsort(of_row, kind="stable")
    table = table.take(pa.array(order))
    begins = np.searchsorted(of_row[order], np.arange(buckets + 1))
    for bucket in np.flatnonzero(np.diff(begins)):
        part = table.slice(begins[bucket], begins[bucket + 1] - begins[bucket])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(part)
        path = os.path.join(bucket_folder(folder, int(bucket)), name)
        write_file(path, sink.getvalue().to_pybytes(), lasting=False)


def bucket_folder(folder: str, bucket: int) -> str:
    """Returns the folder of a bucket's rows."""
    return os.path.join(folder, f"{bucket:06d}")


def read_bucket(folder: str) -> pa.Table:
    """Returns the rows of a bucket, ordered by hash, input and target."""
    tables = []
    names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
    for name in sorted(name for name in names if not name.endswith(".part")):  # what a killed worker has left
        with tf.io.gfile.GFile(os.path.join(folder, name), "rb") as file:
            tables.append(pa.ipc.open_stream(pa.py_buffer(file.read())).read_all())
    if not tables:
        return _SCHEMA.empty_table()
    keys = [(name, "ascending") for name in ("hash", "input", "target")]
    return pa.concat_tables(tables).combine_chunks().sort_by(keys)


def group_pairs(
    data: SplitData, rows: pa.Table, stated: tuple[bool, bool], is_whole: bool, counts: GroupCounts
) -> Iterator[SplitBatch]:
    """Yields the examples of a bucket.

    Training has every row. Validation and test have every input once, with its most frequent answer as `answer` and its
    others, the most frequent first, as `others`: any of them is right.

    Args:
      data: The shares of the splits.
      rows: What `read_bucket` returned.
      stated: Whether there are files of validation, and of test: then no other row is on that side.
      is_whole: Whether this bucket is the only one.
      counts: Counts what is found.
    """
    if not len(rows):
        return
    inputs, targets = rows.column("input").combine_chunks(), rows.column("target").combine_chunks()
    source = rows.column("source").to_numpy()
    new_input = _differs(inputs)
    of_input: _Index = np.cumsum(new_input) - 1
    first = np.flatnonzero(new_input)
    named = np.maximum.reduceat(source, first)  # what the files say of each input
    places = rows.column("hash").to_numpy()[first].astype(np.float64) * 2.0**-64
    if is_whole and len(first) < _FEW_INPUTS:
        places = _ranks(data, len(first))
    side = _sides_of_inputs(data, places, named, stated)
    kept = source == named[of_input]  # of an input that a test file names, the test file's answers are the right ones
    counts.inputs += len(first)
    counts.kept_out += int((~kept).sum())

    index = np.flatnonzero(kept)
    new_pair = (_differs(targets) | new_input)[index]
    # A row that was left out may have been the one that differed.
    new_pair[1:] |= of_input[index[1:]] != of_input[index[:-1]]
    new_pair[:1] = True
    pairs = index[new_pair]  # the first row of each different pair
    often = np.diff(np.append(np.flatnonzero(new_pair), len(index)))
    counts.duplicates += int((often - 1).sum())
    answers = np.bincount(of_input[pairs], minlength=len(first))
    counts.several_answers += int((answers > 1).sum())

    training = index[side[of_input[index]] == TRAIN]
    yield from _batches(inputs, targets, training, np.zeros(len(training), np.int64), training[:0], side, of_input)
    judged = side[of_input[pairs]] != TRAIN
    pairs, often = pairs[judged], often[judged]
    # By input, then the most frequent answer first, then in the order of the answers.
    order = np.lexsort((np.arange(len(pairs)), -often, of_input[pairs]))
    pairs = pairs[order]
    is_first = np.diff(of_input[pairs], prepend=-1) != 0
    chosen = pairs[is_first]
    yield from _batches(inputs, targets, chosen, answers[of_input[chosen]] - 1, pairs[~is_first], side, of_input)


def _ranks(data: SplitData, count: int) -> npt.NDArray[np.float64]:
    """Returns places of inputs in the order of their hash that give test and validation at least one each."""
    test = max(1, round(count * data.test_fraction))
    validation = max(1, round(count * data.validation_fraction))
    middles = (data.test_fraction / 2, data.test_fraction + data.validation_fraction / 2, 1.0)
    places = np.repeat(middles, (test, validation, max(0, count - test - validation)))
    return places[:count]


def _sides_of_inputs(
    data: SplitData, places: npt.NDArray[np.float64], named: npt.NDArray[np.uint8], stated: tuple[bool, bool]
) -> npt.NDArray[np.uint8]:
    found = sides(data, places)
    for split, is_stated in zip((VALIDATION, TEST), stated, strict=True):
        if is_stated:
            found[found == split] = TRAIN
    return np.where(named > TRAIN, named, found).astype(np.uint8)


def _differs(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Returns which texts differ from the one before: bool [N], the first one does."""
    differs = np.ones(len(texts), bool)
    differs[1:] = pc.not_equal(texts.slice(1), texts.slice(0, len(texts) - 1)).to_numpy(zero_copy_only=False)
    return differs


def _batches(
    inputs: pa.Array,
    targets: pa.Array,
    rows: _Index,
    others: _Index,
    other_rows: _Index,
    side: npt.NDArray[np.uint8],
    of_input: _Index,
) -> Iterator[SplitBatch]:
    """Yields examples of rows [N], each with so many others [N] of the other rows, in their order."""
    ends = np.cumsum(others)
    for start in range(0, len(rows), _BATCH_ROWS):
        part = slice(start, start + _BATCH_ROWS)
        chosen = rows[part]
        begin = int(ends[start] - others[start])
        counts = others[part]
        expressions = inputs.take(pa.array(chosen))
        columns = {
            "expression": expressions.cast(pa.binary()),
            "answer": targets.take(pa.array(chosen)).cast(pa.binary()),
            "length": pc.cast(pc.utf8_length(expressions), pa.int64()),
        }
        one_each = pa.array(np.arange(len(chosen) + 1, dtype=np.int32))
        arrays = [pa.ListArray.from_arrays(one_each, column) for column in columns.values()]
        offsets = pa.array(np.append(0, np.cumsum(counts)).astype(np.int32))
        values = targets.take(pa.array(other_rows[begin : begin + int(counts.sum())])).cast(pa.binary())
        arrays.append(pa.ListArray.from_arrays(offsets, values))
        yield pa.RecordBatch.from_arrays(arrays, [*columns, "others"]), side[of_input[chosen]]
