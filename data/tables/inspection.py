"""Looking at a table: what is in its columns, how long, which characters, how often rows repeat."""

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.files import DataFile
from data.tables.layout import Format
from data.tables.options import TableOptions
from data.tables.reading import plan_parts, read_part
from data.tables.repetition import Repetition, RepetitionCounter
from data.tables.report import ReadReport, Skipped

_LOG = logging.getLogger("charseq.data")
_PROGRESS_SECONDS = 5.0

_EXAMPLES = 3
_FREQUENT = 20

# Tokens are looked for in so many rows; a set of symbols is small and short, and words are neither.
_TOKEN_ROWS = 100_000
_MOST_TOKENS = 500
_LONGEST_TOKEN = 8
_LEAST_TOKEN_USES = 5
_SPACED_SHARE = 0.9


@dataclasses.dataclass(frozen=True)
class FileDescription:
    """What a file looks like.

    Attributes:
      path: The file.
      format: The file's format.
      encoding: The encoding of its text.
      delimiter: What separates fields in CSV and TSV.
      quotes: Whether double quotes quote there.
      header: Whether its first row names the columns.
      why: How that was told.
      names: What it calls its columns; empty if it does not name them.
      width: How many columns it has.
      examples: The values of its first row.
    """

    path: str
    format: Format
    encoding: str
    delimiter: str
    quotes: bool
    header: bool
    why: str
    names: tuple[str, ...]
    width: int
    examples: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ColumnDescription:
    """What is in a column.

    Attributes:
      name: The column's name, as it was asked for.
      examples: The first different values, at most three.
      empty: Values without a character.
      longest: Characters (code points) of the longest value.
      length_99: Characters that 99 of 100 values do not exceed.
      characters: Different characters.
      frequent: The most frequent of them, at most twenty, and how often each is there.
      spaced: Whether the values look like symbols separated by single spaces, such as `w a z o`.
      tokens: Different symbols in the first 100,000 rows if so, otherwise 0.
      most_tokens: Symbols of the value that has most of them, in these rows, if so, otherwise 0.
    """

    name: str
    examples: tuple[str, ...]
    empty: int
    longest: int
    length_99: int
    characters: int
    frequent: tuple[tuple[str, int], ...]
    spaced: bool
    tokens: int
    most_tokens: int


@dataclasses.dataclass(frozen=True)
class TableDescription:
    """What is in some files.

    Attributes:
      files: What each looks like.
      columns: What is in each column that was asked for.
      rows: How many rows there are.
      empty_lines: Lines without a row.
      skipped: Rows that cannot be used.
      skipped_examples: The first hundred of them.
      repetition: How often rows and inputs repeat; the first column is the input.
    """

    files: tuple[FileDescription, ...]
    columns: tuple[ColumnDescription, ...]
    rows: int
    empty_lines: int
    skipped: int
    skipped_examples: tuple[Skipped, ...]
    repetition: Repetition


def describe_tables(files: Sequence[DataFile], options: TableOptions) -> TableDescription:
    """Reads some files and describes them; memory does not grow with them.

    Args:
      files: Which files.
      options: How to read them. Without columns every column is described; the files must then agree in them.

    Raises:
      TableError: A file cannot be read, has not the columns that are asked for, or with `on_error="stop"` has a row that
        cannot be used.
    """
    parts = plan_parts(files, options)
    report = ReadReport(options.on_error)
    repetition = RepetitionCounter()
    columns: dict[str, _ColumnLook] = {}
    reported, began = time.monotonic(), time.monotonic()
    for part in parts:
        for name in part.layout.columns:
            columns.setdefault(name, _ColumnLook(name))
        for batch in read_part(part, options, report):
            for name, column in zip(batch.columns.schema.names, batch.columns.columns, strict=True):
                columns[name].add(column)
            if batch.columns.num_columns:
                repetition.add(batch.columns)
            if time.monotonic() - reported > _PROGRESS_SECONDS:
                reported = time.monotonic()
                _LOG.info("%s: %s rows in %.0f s", part.file.path, f"{report.rows:,}", reported - began)
    layouts = {part.file.path: part.layout for part in parts}
    return TableDescription(
        tuple(
            FileDescription(path=path, **{field: getattr(layout, field) for field in _LAYOUT_FIELDS})
            for path, layout in layouts.items()
        ),
        tuple(look.result() for look in columns.values()),
        report.rows,
        report.empty_lines,
        report.skipped,
        tuple(report.examples),
        repetition.result(),
    )


_LAYOUT_FIELDS = [field.name for field in dataclasses.fields(FileDescription) if field.name != "path"]


def describe_column(name: str, column: pa.Array) -> ColumnDescription:
    """Describes the values of a column, strings, that are in memory."""
    look = _ColumnLook(name)
    look.add(column)
    return look.result()


class _ColumnLook:
    """What has been seen of a column."""

    def __init__(self, name: str):
        self._name = name
        self._examples: list[str] = []
        self._lengths: npt.NDArray[np.int64] = np.zeros(1, np.int64)
        self._characters: npt.NDArray[np.int64] = np.zeros(1, np.int64)
        self._tokens: Counter[str] = Counter()
        self._token_rows = self._spaced_rows = self._most_tokens = 0

    def add(self, column: pa.Array) -> None:
        """Adds values."""
        if len(self._examples) < _EXAMPLES:
            new = [value for value in dict.fromkeys(column.slice(0, 1000).to_pylist()) if value not in self._examples]
            self._examples = (self._examples + new)[:_EXAMPLES]
        lengths = pc.utf8_length(column).to_numpy(zero_copy_only=False)
        self._lengths = _plus(self._lengths, np.bincount(lengths))
        text = "".join(column.to_pylist())
        points = np.frombuffer(
            text.encode() if text.isascii() else text.encode("utf-32-le"), "u1" if text.isascii() else "<u4"
        )
        self._characters = _plus(self._characters, np.bincount(points))
        if self._token_rows < _TOKEN_ROWS and len(self._tokens) <= _MOST_TOKENS:
            self._add_tokens(column.slice(0, _TOKEN_ROWS - self._token_rows).to_pylist())

    def _add_tokens(self, values: list[str]) -> None:
        self._token_rows += len(values)
        for value in values:
            tokens = value.split(" ")
            self._tokens.update(tokens)
            self._most_tokens = max(self._most_tokens, len(tokens))
            # A word of one symbol has no space.
            self._spaced_rows += all(tokens) and (len(tokens) > 1 or len(value) == 1)
            if len(self._tokens) > _MOST_TOKENS:
                return

    def result(self) -> ColumnDescription:
        """Returns the description."""
        total = int(self._lengths.sum())
        seen = np.flatnonzero(self._characters)
        often = seen[np.argsort(-self._characters[seen], kind="stable")[:_FREQUENT]]
        longest = int(np.flatnonzero(self._lengths).max()) if total else 0
        spaced = (
            self._spaced_rows > 0
            and self._spaced_rows >= _SPACED_SHARE * self._token_rows
            and len(self._tokens) <= _MOST_TOKENS
            and max(map(len, self._tokens)) <= _LONGEST_TOKEN
            and sum(self._tokens.values()) >= _LEAST_TOKEN_USES * len(self._tokens)
        )
        return ColumnDescription(
            self._name,
            tuple(self._examples),
            int(self._lengths[0]),
            longest,
            int(np.searchsorted(np.cumsum(self._lengths), 0.99 * total)) if total else 0,
            len(seen),
            tuple((chr(point), int(self._characters[point])) for point in often),
            spaced,
            len(self._tokens) if spaced else 0,
            self._most_tokens if spaced else 0,
        )


def _plus(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if len(first) < len(second):
        first, second = second, first
    total = first.copy()
    total[: len(second)] += second
    return total
