"""The rows that are asked, in chunks that are the same whenever the same files are read."""

import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import DataError, TableError
from data.files import DataFile, find_files, fingerprint
from data.tables.batch import Batch
from data.tables.detection import find_layout, with_every_column
from data.tables.layout import Layout
from data.tables.options import ENDINGS, Column, TableOptions
from data.tables.parquet import open_parquet
from data.tables.reading import Part, plan_parts, read_part
from data.tables.report import ReadReport

STANDARD = "-"
STANDARD_INPUT = "standard input"

# The rows of a chunk, which is one request: as many as servers take, and few enough for long texts.
CHUNK_ROWS = 1024
CHUNK_BYTES = 4 << 20

_COUNTED_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Rows of one file that follow each other.

    Attributes:
      file: What the file is called.
      first: How many rows stand before them in all files.
      names: Names of the columns.
      columns: The columns, strings [N] each; null where a row could not be read.
      lines: Line of each row in its file, from 1; in Parquet its row: int64 [N].
      reasons: Why a row could not be read, strings [N]; null where it could.
    """

    file: str
    first: int
    names: tuple[str, ...]
    columns: tuple[pa.Array, ...]
    lines: pa.Array
    reasons: pa.Array

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> pa.Array:
        """Returns a column by its name: strings [N]."""
        return self.columns[self.names.index(name)]

    def joined(self, names: Sequence[str], separator: str) -> pa.Array:
        """Returns several columns as one, with a separator between their texts: strings [N]."""
        return pc.binary_join_element_wise(*map(self.column, names), separator)


@dataclasses.dataclass(frozen=True)
class SourcePart:
    """Rows of one file that follow each other; small, so that it can be sent to another process.

    Attributes:
      file: What the file is called.
      part: Which rows.
      options: How they are read.
    """

    file: str
    part: Part
    options: TableOptions

    def chunks(self, before: int) -> Iterator[Chunk]:
        """Yields its rows, in order.

        Args:
          before: How many rows stand before it in all files.

        Raises:
          DataError: The file cannot be read.
        """
        with renamed(self.part.file.path, self.file):
            for rows in _cut(_with_bad_rows([self.part], self.options)):
                columns = [column.combine_chunks() for column in rows.columns]
                yield Chunk(self.file, before, self.part.layout.columns, tuple(columns[:-2]), columns[-2], columns[-1])
                before += len(rows)


class RowSource(Protocol):
    """Where rows come from.

    Attributes:
      names: Names of the columns that are read.
      inputs: Input of the model to the columns that it takes.
      fingerprint: A hash of what is read.
    """

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def inputs(self) -> Mapping[str, tuple[str, ...]]: ...

    @property
    def fingerprint(self) -> str: ...

    def chunks(self) -> Iterator[Chunk]:
        """Yields all rows, in order."""
        ...

    def count_lines(self) -> dict[str, int]:
        """Returns the last line of each file, to say how much is left."""
        ...


class Source:
    """The rows of some files.

    Attributes:
      names: Names of the columns that are read.
      inputs: Input of the model to the columns that it takes, in their order in the files.
      files: The files.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        options: TableOptions,
        inputs: Mapping[str, tuple[str, ...]],
        keep: Sequence[str] = (),
    ) -> None:
        """Looks at the files.

        Args:
          files: Which files; all have the same columns.
          options: How they are read, without the columns.
          inputs: Input of the model to the column that it takes: its name, or its position from 1; or to the first and the
            last of the columns that it takes.
          keep: Columns that are read besides; every one if none is named.

        Raises:
          DataError: A file cannot be read, has not the columns, or has other columns than the first.
        """
        asked_for = [source for sources in inputs.values() for source in sources]
        columns = tuple(
            Column(str(index), source, setting="--column" if index < len(asked_for) else "--keep", nullable=True)
            for index, source in enumerate([*asked_for, *keep])
        )
        self.files = tuple(files)
        # What becomes of a row that cannot be read is decided later: it keeps its place among the others.
        self._options = dataclasses.replace(options, columns=columns, on_error="skip")
        self._parts: list[list[Part]] = []
        for file in files:
            with _named(file):
                parts = plan_parts([file], self._options, part_bytes=max(1, file.size))
                asked = parts[0].layout if parts else find_layout(file, self._options)
            layout = with_every_column(asked)
            indices = _of_inputs(inputs, asked.indices)
            called = {name: tuple(layout.columns[index] for index in places) for name, places in indices.items()}
            if keep:
                layout = _only(
                    layout, sorted({*asked.indices, *(index for places in indices.values() for index in places)})
                )
            if not self._parts:
                self.names, self.inputs = layout.columns, called
            elif layout.columns != self.names or called != self.inputs:
                raise TableError(
                    _shown(file),
                    f"its columns are {', '.join(layout.columns)}, those of {_shown(files[0])} {', '.join(self.names)}",
                    "give files with the same columns, or name the columns that all have with --keep",
                )
            self._parts.append([dataclasses.replace(part, layout=layout) for part in parts])

    @property
    def fingerprint(self) -> str:
        """A hash of what the files are: path, size and time of last change."""
        return fingerprint(self.files)

    def chunks(self) -> Iterator[Chunk]:
        """Yields all rows, in order.

        Raises:
          DataError: A file cannot be read.
        """
        before = 0
        for part in self._whole_files():
            for chunk in part.chunks(before):
                yield chunk
                before += len(chunk)

    def split(self, part_bytes: int) -> list[SourcePart]:
        """Returns the rows in parts for several processes, in order.

        Args:
          part_bytes: Bytes of a part, roughly. A packed file is one part.

        Raises:
          DataError: A file cannot be read.
        """
        split = []
        for file, whole in zip(self.files, self._parts, strict=True):
            with _named(file):
                parts = plan_parts([file], self._options, part_bytes)
            # Which columns are read has been settled for the whole file.
            parts = [dataclasses.replace(part, layout=whole[0].layout) for part in parts]
            split += [SourcePart(_shown(file), part, self._options) for part in parts]
        return split

    def _whole_files(self) -> list[SourcePart]:
        return [
            SourcePart(_shown(file), part, self._options)
            for file, parts in zip(self.files, self._parts, strict=True)
            for part in parts
        ]

    def count_lines(self) -> dict[str, int]:
        """Returns how many lines each file has, in Parquet how many rows, by what it is called: to say how much is left.

        Raises:
          DataError: A file cannot be read.
        """
        lines: dict[str, int] = {}
        for file, parts in zip(self.files, self._parts, strict=True):
            with _named(file):
                lines[_shown(file)] = _count_lines(file, parts)
        return lines


@contextlib.contextmanager
def open_source(
    path: str, options: TableOptions, inputs: Mapping[str, tuple[str, ...]], keep: Sequence[str] = ()
) -> Iterator[Source]:
    """Gives the rows of a file, folder or glob, or of standard input (`-`), for a ``with`` statement.

    Standard input is copied to a temporary file first: what it looks like is found out from its beginning.

    Raises:
      DataError: As for `Source`.
    """
    if path != STANDARD:
        yield Source(find_files(path, ENDINGS, "--input").files, options, inputs, keep)
        return
    with copy_standard_input() as copy:
        yield Source([DataFile(STANDARD_INPUT, copy, os.path.getsize(copy))], options, inputs, keep)


@contextlib.contextmanager
def copy_standard_input() -> Iterator[str]:
    """Gives the path of a copy of standard input, for a ``with`` statement."""
    with tempfile.TemporaryDirectory(prefix="charseq-predict-") as folder:
        copy = os.path.join(folder, "input")
        with open(copy, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy


def _shown(file: DataFile) -> str:
    return file.name if file.name == STANDARD_INPUT else file.path


def _named(file: DataFile) -> contextlib.AbstractContextManager[None]:
    """Has errors of standard input name that, not its copy."""
    return renamed(file.path, _shown(file))


@contextlib.contextmanager
def renamed(path: str, shown: str) -> Iterator[None]:
    """Has errors name a file as the user does, and not a copy of it."""
    try:
        yield
    except TableError as error:
        if error.file == path and shown != path:
            raise TableError(shown, error.reason, error.remedy, error.line, error.column) from None
        raise


def _of_inputs(inputs: Mapping[str, tuple[str, ...]], indices: Sequence[int]) -> dict[str, list[int]]:
    """Returns the indices of the columns of each input, of which `indices` has the one, or the first and the last."""
    found, place = {}, 0
    for name, sources in inputs.items():
        first, last = indices[place], indices[place + len(sources) - 1]
        found[name] = list(range(first, last + 1) if first <= last else range(first, last - 1, -1))
        place += len(sources)
    return found


def _only(layout: Layout, indices: Sequence[int]) -> Layout:
    """Returns the layout that reads some of the columns that a layout reads all of."""
    columns = tuple(layout.columns[index] for index in indices)
    return dataclasses.replace(layout, indices=tuple(indices), columns=columns, nullable=(True,) * len(columns))


def _count_lines(file: DataFile, parts: Sequence[Part]) -> int:
    if parts and parts[0].layout.format == "parquet":
        with open_parquet(file) as parquet:
            return int(parquet.metadata.num_rows)
    try:
        with file.open() as content:
            return sum(block.count(b"\n") for block in iter(lambda: content.read(_COUNTED_BYTES), b""))
    except (OSError, EOFError) as error:
        raise DataError(f"{_shown(file)} cannot be read: {error}; check the file") from error


@dataclasses.dataclass
class _Rejected(ReadReport):
    """Keeps the rows that cannot be used until their place among the others is known."""

    errors: list[TableError] = dataclasses.field(default_factory=list)

    def reject(self, error: TableError) -> None:
        self.errors.append(error)


def _with_bad_rows(parts: Sequence[Part], options: TableOptions) -> Iterator[pa.Table]:
    """Yields rows with two columns more: their lines, and why they could not be read."""
    report = _Rejected("skip")
    for part in parts:
        width = len(part.layout.columns)
        for batch in read_part(part, options, report):
            yield _merge(batch, width, report.errors)
            report.errors.clear()
        if report.errors:
            yield _merge(None, width, report.errors)
            report.errors.clear()


def _merge(batch: Batch | None, width: int, errors: Sequence[TableError]) -> pa.Table:
    names = [*map(str, range(width)), "line", "reason"]
    types = [pa.string()] * width + [pa.int64(), pa.string()]
    schema = pa.schema(list(zip(names, types, strict=True)))
    tables = []
    if batch is not None:
        arrays = [*batch.columns.columns, pa.array(batch.lines), pa.nulls(len(batch), pa.string())]
        tables.append(pa.Table.from_arrays(arrays, schema=schema))
    if not errors:
        return tables[0]
    reasons = [f"column {error.column}: {error.reason}" if error.column else error.reason for error in errors]
    nulls = [pa.nulls(len(errors), pa.string())] * width
    lines = pa.array([error.line for error in errors], pa.int64())
    tables.append(pa.Table.from_arrays([*nulls, lines, pa.array(reasons, pa.string())], schema=schema))
    return pa.concat_tables(tables).sort_by("line")


def _cut(blocks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Cuts rows into chunks whose limits depend on the rows alone, not on the blocks in which they come."""
    held: pa.Table | None = None
    for block in blocks:
        held = block if held is None else pa.concat_tables([held, block])
        sizes = np.zeros(len(held), np.int64)
        for column in held.columns[:-2]:
            sizes += np.asarray(pc.fill_null(pc.binary_length(column), 0))
        ends, start = np.cumsum(sizes), 0
        while len(held) - start > 0:
            behind = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, behind + CHUNK_BYTES, "right")))
            stop = min(stop, start + CHUNK_ROWS)
            if stop >= len(held):
                break
            yield held.slice(start, stop - start)
            start = stop
        held = held.slice(start)
    if held is not None and len(held):
        yield held
