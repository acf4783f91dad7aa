"""What a batch prediction has done so far, in a file beside its output: a process that is killed loses one request's rows.

The file is a line of JSON, which says what job it is of, and then one frame for each chunk of rows, in order. A frame has the
sizes of its two halves, a checksum, a head as JSON and its rows as an Arrow stream. A frame that was cut off is no frame.
"""

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from data.errors import DataError
from pipeline.file_errors import DiskFullError, is_disk_full

ENDING = ".progress"

_SIZES = struct.Struct("<III")

# What a journal begins with; a kill may have left less of it.
_KEY = "charseq journal"
_BEGINNING = f'{{"{_KEY}": '.encode()


class Journal:
    """The journal of a job. It is locked as long as it is open.

    Attributes:
      path: The file.
      chunks: Chunks that it has.
    """

    def __init__(self, path: str) -> None:
        """Opens a journal, or makes an empty one.

        Raises:
          DataError: It cannot be written, or another process writes it.
        """
        self.path = path
        self.chunks = 0
        try:
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 (closed in close)
        except OSError as error:
            raise DataError(f"{path} cannot be written: {error.strerror}; check the folder and its rights") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise DataError(f"another process writes {path}: wait for it, or write to another file") from None

    def read_job(self) -> dict[str, Any] | None:
        """Returns what the journal says of its job; None if it says nothing yet."""
        self._file.seek(0)
        line = self._file.readline()
        try:
            job = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            job = None
        if not isinstance(job, dict) or job.pop(_KEY, None) != 1:
            return None
        return job

    def begin(self, job: Mapping[str, Any]) -> None:
        """Starts again, as the journal of a job; its values are those of JSON.

        Raises:
          DataError: The file is no journal, but somebody's own.
        """
        self._file.seek(0)
        there = self._file.read(len(_BEGINNING))
        if not _BEGINNING.startswith(there):
            raise DataError(
                f"{self.path} is not a journal of charseq: it begins with {there!r}; move it, or write to another file"
            )
        self._file.truncate(0)
        self._write(json.dumps({_KEY: 1, **job}).encode() + b"\n")
        self.chunks = 0

    def frames(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yields the head and the rows, as :func:`read_rows` takes them, of each whole chunk; cuts off what is behind them."""
        self._file.seek(0)
        self._file.readline()
        self.chunks = 0
        size = os.fstat(self._file.fileno()).st_size
        while True:
            whole = self._file.tell()
            sizes = self._file.read(_SIZES.size)
            if len(sizes) < _SIZES.size:
                break
            head, body, checksum = _SIZES.unpack(sizes)
            if whole + _SIZES.size + head + body > size:
                break
            content = self._file.read(head + body)
            if len(content) < head + body or zlib.crc32(content) != checksum:
                break
            self.chunks += 1
            yield json.loads(content[:head]), content[head:]
        self._file.truncate(whole)

    def add(self, head: Mapping[str, Any], rows: pa.RecordBatch) -> None:
        """Adds a chunk behind the others.

        Raises:
          DiskFullError: There is no space for it. What is there of it is cut off by the next :meth:`frames`.
          OSError: It cannot be written for another reason.
        """
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, rows.schema) as writer:
            writer.write_batch(rows)
        first, body = json.dumps(head).encode(), stream.getvalue().to_pybytes()
        self._write(_SIZES.pack(len(first), len(body), zlib.crc32(first + body)) + first + body)
        self.chunks += 1

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            if is_disk_full(error):
                raise DiskFullError(
                    f"{self.path} cannot be written: {error.strerror}; what is done is kept: make room there, and run the same "
                    "command again"
                ) from None
            raise OSError(error.errno, error.strerror, self.path) from None

    def remove(self) -> None:
        """Removes the file."""
        os.unlink(self.path)

    def close(self) -> None:
        """Closes the file, which stays; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_rows(body: bytes) -> pa.RecordBatch:
    """Returns the rows of a frame."""
    with pa.ipc.open_stream(body) as reader:
        return reader.read_next_batch()
