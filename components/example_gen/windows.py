"""Windows of a text: where they are, and the characters in them; whole arrays at a time."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.example_gen.settings import TextData
from components.example_gen.shards import SplitBatch
from components.example_gen.splits import TEST, TRAIN, VALIDATION, Sides
from components.example_gen.text_sides import FileRange, count_training_windows

CodePoints = npt.NDArray[np.uint32]
_Int64Array = npt.NDArray[np.int64]

# Rows, and characters of all rows together, that are in memory at a time.
_BATCH_ROWS = 16_384
_BATCH_CHARACTERS = 1 << 21


def windows(
    data: TextData, files: list[FileRange], start: int, stop: int, text: CodePoints, text_start: int
) -> Iterator[SplitBatch]:
    """Yields the windows whose predicted characters begin at positions `start` to `stop`, file by file, in their order.

    Args:
      data: How windows are cut.
      files: Every file that has a character there.
      start: First position, in the whole corpus.
      stop: Behind the last one.
      text: Code points of the corpus around these positions: everything that the windows have.
      text_start: Position of its first.
    """
    # Columns: position of context, of text, and behind it; each int64 [windows].
    rows = [_rows(data, file, start, stop) for file in files]
    begins, positions, ends = (np.concatenate([row[column] for row in rows]) for column in range(3))
    sides = np.concatenate([row[3] for row in rows])
    encoded, offsets = _to_utf8(text)
    longest = max(data.context + data.length, data.eval_context + data.evaluated_length)
    size = max(1, min(_BATCH_ROWS, _BATCH_CHARACTERS // longest))
    for first in range(0, len(positions), size):
        batch = slice(first, first + size)
        begin, position, end = (offsets[column[batch] - text_start] for column in (begins, positions, ends))
        columns = {
            "context": _slices(encoded, begin, position),
            "text": _slices(encoded, position, end),
            "position": pa.array(positions[batch], pa.int64()),
        }
        one_each = pa.array(np.arange(len(begin) + 1, dtype=np.int32))
        arrays = [pa.ListArray.from_arrays(one_each, column) for column in columns.values()]
        yield pa.RecordBatch.from_arrays(arrays, list(columns)), sides[batch]


def _rows(
    data: TextData, file: FileRange, start: int, stop: int
) -> tuple[_Int64Array, _Int64Array, _Int64Array, Sides]:
    first = file.start + data.context
    last = first + count_training_windows(data, file) * data.step
    trained = _progression(first, last, data.step, start, stop)
    begins, positions, ends = [trained - data.context], [trained], [trained + data.length]
    for begin, end in ((file.validation, file.test), (file.test, file.stop)):
        judged = _progression(begin, end, data.evaluated_length, start, stop)
        # The model reads nothing of another side: a character there would be on both.
        begins.append(np.maximum(begin, judged - data.eval_context))
        positions.append(judged)
        ends.append(np.minimum(judged + data.evaluated_length, end))
    sides = np.repeat(np.array([TRAIN, VALIDATION, TEST], np.uint8), [len(part) for part in positions])
    return np.concatenate(begins), np.concatenate(positions), np.concatenate(ends), sides


def _progression(first: int, last: int, step: int, start: int, stop: int) -> _Int64Array:
    """Returns `first`, `first + step`, ... before `last`, those of them that are within `start` to `stop`: int64 [N]."""
    skipped = max(0, -((first - start) // step))
    return np.arange(first + skipped * step, min(last, stop), step, dtype=np.int64)


def _to_utf8(text: CodePoints) -> tuple[npt.NDArray[np.uint8], _Int64Array]:
    """Returns the UTF-8 bytes of code points [N], and at which byte each begins and the last ends: int64 [N + 1]."""
    sizes = (
        np.uint8(1) + (text >= 0x80).view(np.uint8) + (text >= 0x800).view(np.uint8) + (text >= 0x10000).view(np.uint8)
    )
    offsets = np.zeros(len(text) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return np.frombuffer(text.astype("<u4").tobytes().decode("utf-32-le").encode(), np.uint8), offsets


def _slices(encoded: npt.NDArray[np.uint8], begin: _Int64Array, end: _Int64Array) -> pa.Array:
    """Returns the bytes from `begin` to `end`, each int64 [N]: binary [N]."""
    sizes = end - begin
    offsets = np.zeros(len(begin) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    index = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], sizes)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(encoded[index]))]
    return pa.Array.from_buffers(pa.binary(), len(begin), buffers)
