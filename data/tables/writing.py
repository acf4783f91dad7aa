"""Writing tables so that reading gives the same rows: aside first, and under the final name once they are whole."""

import abc
import bz2
import contextlib
import gzip
import json
import os
import re
from collections.abc import Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from data.errors import TableError
from data.files import split_ending
from data.patterns import is_remote
from data.tables.options import ENDINGS
from data.tables.text.fields import split_fields
from data.tables.text.records import Grammar, read_records

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_READ_BYTES = 1 << 20

# Rows of a Parquet row group: the unit in which several workers can read it again.
_GROUP_ROWS = 1 << 17


def open_writer(path: str, schema: pa.Schema, resume: bool = False) -> "TableWriter":
    """Returns a writer of the format that the path ends in: .csv, .tsv, .jsonl or .parquet; text perhaps with .gz, .bz2, .zst.

    Until it is closed, the rows stand in a file beside it whose name ends in `.part`.

    Args:
      path: On any file system that Beam knows.
      schema: Names and types of the columns: strings, whole numbers or floats.
      resume: Whether to go on behind the whole rows of a `.part` that an earlier writer left. That can be done with text that
        is not packed, on the local file system; anything else starts again.

    Raises:
      TableError: The ending is not known, the file cannot be written, or its `.part` is of another table.
    """
    ending, packing = table_ending(path)
    if ending in (".parquet", ".pq"):
        return _ParquetWriter(path, schema)
    if ending in _DELIMITERS:
        return _DelimitedWriter(path, schema, packing, resume, None, _DELIMITERS[ending])
    return _JsonLinesWriter(path, schema, packing, resume, None)


def open_stream_writer(stream: BinaryIO, ending: str, schema: pa.Schema) -> "TableWriter":
    """Returns a writer of text to a stream, such as standard output. It does not close the stream.

    Args:
      stream: Where the rows go as soon as they are written.
      ending: The format: .csv, .tsv or .jsonl.
      schema: As for `open_writer`.
    """
    if ending in _DELIMITERS:
        return _DelimitedWriter("standard output", schema, "", False, stream, _DELIMITERS[ending])
    return _JsonLinesWriter("standard output", schema, "", False, stream)


def table_ending(path: str) -> tuple[str, str]:
    """Returns the ending of a table's path, which says its format, and that of its packing.

    Raises:
      TableError: No table can be written to such a path.
    """
    ending, packing = split_ending(path)
    if ending not in ENDINGS or (packing and ending in (".parquet", ".pq")):
        raise TableError(path, "no format is known for this ending", "let it end in .csv, .tsv, .jsonl or .parquet")
    return ending, packing


class TableWriter(abc.ABC):
    """Writes a table. As a context manager it closes the table, or leaves what an error cut off in the `.part`.

    Attributes:
      path: The table.
      rows: Rows that it has so far; at the beginning those that a `.part` had, with `resume`.
    """

    def __init__(self, path: str, schema: pa.Schema):
        self.path, self.part = path, f"{path}.part"
        self.schema = schema
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows; they are on their way to the disk when this returns.

        Raises:
          TableError: They cannot be written.
        """
        if batch.schema != self.schema:
            batch = pa.RecordBatch.from_arrays(
                [batch.column(field.name).cast(field.type) for field in self.schema], schema=self.schema
            )
        with _writable(self.path):
            self._write(batch)
        self.rows += len(batch)

    def close(self) -> None:
        """Gives the table its name."""
        with _writable(self.path):
            self._finish()
            _rename(self.part, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            # What went wrong before is what counts.
            with contextlib.suppress(OSError, pa.ArrowException):
                self._finish()

    @abc.abstractmethod
    def _write(self, batch: pa.RecordBatch) -> None: ...

    @abc.abstractmethod
    def _finish(self) -> None: ...


class _TextWriter(TableWriter):
    """Writes rows as lines of text."""

    def __init__(self, path: str, schema: pa.Schema, packing: str, resume: bool, stream: BinaryIO | None):
        super().__init__(path, schema)
        self._is_stream = stream is not None
        can_resume = resume and not packing and not is_remote(path) and os.path.exists(self.part)
        with _writable(path):
            if can_resume:
                self.rows = self._whole_rows()
            # Closed in _finish.
            self._raw = stream or (open(self.part, "ab") if can_resume else _create(self.part))  # noqa: SIM115
            self._file = _pack(self._raw, packing)
            if not can_resume:
                self._file.write(self._head().encode())

    def _write(self, batch: pa.RecordBatch) -> None:
        columns = [_values(column) for column in batch.columns]
        self._file.write("".join(self._line(row) for row in zip(*columns, strict=True)).encode())
        self._file.flush()

    def close(self) -> None:
        """Gives the table its name."""
        if self._is_stream:
            with _writable(self.path):
                self._raw.flush()
        else:
            super().close()

    def _finish(self) -> None:
        if self._is_stream:
            return
        if self._file is not self._raw:
            self._file.close()
        if not self._raw.closed:
            self._raw.flush()
            if not is_remote(self.path):
                os.fsync(self._raw.fileno())
            self._raw.close()

    def _whole_rows(self) -> int:
        """Cuts off what an earlier writer left of a row, and returns how many whole ones there are."""
        count, stop = 0, 0
        first: bytes | None = None
        with open(self.part, "rb") as file:
            for block in read_records(iter(lambda: file.read(_READ_BYTES), b""), self._grammar(), is_whole=False):
                if block.bad:
                    raise TableError(
                        self.part, f"cannot be gone on with: {next(iter(block.bad.values()))}", "remove it"
                    )
                first = block.record(0) if first is None else first
                count, stop = count + len(block.starts), block.stop
        if count and first is not None:
            self._check_first(first.decode(errors="replace"))
        os.truncate(self.part, stop)
        heads = 1 if self._head() else 0
        if heads and not count:
            with open(self.part, "wb") as file:
                file.write(self._head().encode())
            return 0
        return count - heads

    @abc.abstractmethod
    def _head(self) -> str: ...

    @abc.abstractmethod
    def _line(self, row: Sequence[Any]) -> str: ...

    @abc.abstractmethod
    def _grammar(self) -> Grammar: ...

    @abc.abstractmethod
    def _check_first(self, record: str) -> None:
        """Checks that the first record is of this table."""

    def _other_table(self, there: Sequence[str]) -> TableError:
        return TableError(
            self.part,
            f"it has the columns {', '.join(there)}, and {', '.join(self.schema.names)} are to be written",
            "remove it to begin anew, or write to another file",
        )


class _DelimitedWriter(_TextWriter):
    def __init__(
        self, path: str, schema: pa.Schema, packing: str, resume: bool, stream: BinaryIO | None, delimiter: str
    ):
        self._delimiter = delimiter
        self._needs_quotes = re.compile(f'["\r\n{re.escape(delimiter)}]').search
        super().__init__(path, schema, packing, resume, stream)

    def _head(self) -> str:
        return self._line(self.schema.names)

    def _line(self, row: Sequence[Any]) -> str:
        fields = [value if type(value) is str else "" if value is None else str(value) for value in row]
        for index, field in enumerate(fields):
            if self._needs_quotes(field):
                fields[index] = '"' + field.replace('"', '""') + '"'
        if not any(map(str.strip, fields)) and not "".join(fields).strip(" \t"):
            fields[0] = f'"{fields[0]}"'  # otherwise it would be an empty line
        return self._delimiter.join(fields) + "\n"

    def _grammar(self) -> Grammar:
        return Grammar(self._delimiter.encode(), True, longest=1 << 30)

    def _check_first(self, record: str) -> None:
        names = split_fields(record, self._delimiter, True)
        if names != self.schema.names:
            raise self._other_table(names)


class _JsonLinesWriter(_TextWriter):
    def _head(self) -> str:
        return ""

    def _line(self, row: Sequence[Any]) -> str:
        return json.dumps(dict(zip(self.schema.names, row, strict=True)), ensure_ascii=False, allow_nan=False) + "\n"

    def _grammar(self) -> Grammar:
        return Grammar(longest=1 << 30)

    def _check_first(self, record: str) -> None:
        try:
            names = list(json.loads(record))
        except ValueError:
            names = []
        if names != self.schema.names:
            raise self._other_table(names)


class _ParquetWriter(TableWriter):
    def __init__(self, path: str, schema: pa.Schema):
        super().__init__(path, schema)
        with _writable(path):
            self._raw = _create(self.part)
            self._parquet = pq.ParquetWriter(pa.PythonFile(self._raw, mode="w"), schema)
        self._waiting: list[pa.RecordBatch] = []

    def _write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        if sum(map(len, self._waiting)) >= _GROUP_ROWS:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self._waiting:
            self._parquet.write_table(pa.Table.from_batches(self._waiting, self.schema))
            self._waiting = []

    def _finish(self) -> None:
        if self._raw.closed:
            return
        self._write_waiting()
        self._parquet.close()
        self._raw.flush()
        if not is_remote(self.path):
            os.fsync(self._raw.fileno())
        self._raw.close()


def _values(column: pa.Array) -> list[Any]:
    """Returns Python's values; a float32 as the float of its shortest decimals, not of the 17 digits of its float64."""
    if pa.types.is_float32(column.type):
        return [None if text is None else float(text) for text in column.cast(pa.string()).to_pylist()]
    return column.to_pylist()  # type: ignore[no-any-return]


@contextlib.contextmanager
def _writable(path: str) -> Any:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise TableError(
            path, f"cannot be written: {error}", "check its folder, its rights and the space there"
        ) from error


def _create(path: str) -> Any:
    if is_remote(path):
        return FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return open(path, "wb")


def _rename(part: str, path: str) -> None:
    if is_remote(path):
        FileSystems.rename([part], [path])
    else:
        os.replace(part, path)


def _pack(raw: BinaryIO, packing: str) -> Any:
    if packing == ".gz":
        return gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="")
    if packing == ".bz2":
        return bz2.BZ2File(raw, "wb")
    if packing == ".zst":
        return pa.CompressedOutputStream(pa.PythonFile(raw, mode="w"), "zstd")
    return raw
