"""Reading tables: the files are planned as parts, and any part is read by anyone, in batches."""

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data.files import DataFile
from data.tables.batch import Batch
from data.tables.detection import find_layout
from data.tables.layout import Layout
from data.tables.options import TableOptions
from data.tables.parquet import open_parquet, read_parquet
from data.tables.report import ReadReport
from data.tables.text.delimited import parse_delimited
from data.tables.text.dictionary import parse_dictionary
from data.tables.text.fields import is_blank
from data.tables.text.json_lines import Key, parse_json_lines
from data.tables.text.records import Block, read_records
from data.tables.text.streams import can_be_cut, read_utf8

_LOG = logging.getLogger("charseq.data")

# The unit of work of a worker. A file of less is one part.
PART_BYTES = 16 << 20

_PROGRESS_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows of one file that follow each other. Parts are small and travel to other processes.

    Attributes:
      file: The file.
      layout: What it looks like.
      start: Its first byte.
      stop: Behind its last byte; None is the end of the file.
      first_line: Number of its first line, or in Parquet of its first row, from 1.
      groups: Its row groups, in Parquet.
    """

    file: DataFile
    layout: Layout
    start: int = 0
    stop: int | None = None
    first_line: int = 1
    groups: tuple[int, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether its file begins with it."""
        return self.start == self.layout.mark


def plan_parts(files: Iterable[DataFile], options: TableOptions, part_bytes: int = PART_BYTES) -> list[Part]:
    """Returns the parts of some files, in order; together they have every row once.

    A large file of CSV, TSV or JSONL is read once to find where rows end: with quotes that cannot be told from its middle.
    A packed file, or one of an encoding in which ASCII's line ends may be part of other characters, is one part.

    Args:
      files: Which files.
      options: How to read them.
      part_bytes: Bytes of a part, roughly; rows and their order do not depend on it.

    Raises:
      TableError: A file cannot be read, or has not the columns that are asked for.
    """
    parts: list[Part] = []
    for file in files:
        layout = find_layout(file, options)
        if layout.format == "parquet":
            parts += _row_groups(file, layout, part_bytes)
        else:
            whole = Part(file, layout, layout.mark)
            can_cut = not file.packing and can_be_cut(layout.encoding)
            parts += _cut(whole, options, part_bytes) if can_cut and file.size > part_bytes else [whole]
    return parts


def read_part(part: Part, options: TableOptions, report: ReadReport) -> Iterator[Batch]:
    """Yields the rows of a part.

    Args:
      part: Which.
      options: The same as it was planned with.
      report: Counts what is read, and stops at or skips what cannot be used.

    Raises:
      TableError: The file cannot be read, or a row is rejected.
    """
    file, layout = part.file, part.layout
    if layout.format == "parquet":
        yield from read_parquet(file, part.groups, part.first_line, layout, report, options.lists)
        return
    grammar = layout.grammar(options.longest_line)
    chunks = read_utf8(file, layout.encoding, part.start, part.stop)
    has_header = layout.header and part.is_first
    keys = []
    if layout.format == "jsonl":
        keys = [
            Key(layout.names[index], null, options.lists)
            for index, null in zip(layout.indices, layout.nullable, strict=True)
        ]
    for block in read_records(chunks, grammar, part.first_line):
        rows = block
        if has_header:
            rows, has_header = _without_header(block, grammar.delimiter, report)
        if layout.format == "jsonl":
            batch = parse_json_lines(rows, file.path, keys, layout.columns, layout.encoding, report)
        elif layout.format == "dictionary":
            batch = parse_dictionary(rows, file.path, layout.indices, layout.columns, layout.encoding, report)
        else:
            batch = parse_delimited(rows, file.path, layout, report)
        if len(batch):
            yield batch


def read_table(files: Sequence[DataFile], options: TableOptions, report: ReadReport | None = None) -> Iterator[Batch]:
    """Yields the rows of some files, in order.

    Args:
      files: Which files.
      options: How to read them.
      report: Counts what is read; by default one that nobody sees.

    Raises:
      TableError: A file cannot be read, or a row is rejected.
    """
    report = ReadReport(options.on_error) if report is None else report
    for file in files:
        # One part: nothing is gained by looking for where rows end.
        for part in plan_parts([file], options, part_bytes=max(1, file.size)):
            yield from read_part(part, options, report)


def _row_groups(file: DataFile, layout: Layout, part_bytes: int) -> Iterator[Part]:
    groups: list[int] = []
    first_row, rows, size = 1, 0, 0
    with open_parquet(file) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            metadata = parquet.metadata.row_group(group)
            groups.append(group)
            rows, size = rows + metadata.num_rows, size + metadata.total_byte_size
            if size >= part_bytes:
                yield Part(file, layout, first_line=first_row, groups=tuple(groups))
                first_row, groups, rows, size = first_row + rows, [], 0, 0
    if groups:
        yield Part(file, layout, first_line=first_row, groups=tuple(groups))


def _cut(whole: Part, options: TableOptions, part_bytes: int) -> Iterator[Part]:
    """Yields the parts of a large file: each ends before the first row that begins `part_bytes` behind it or later."""
    start, line, began = whole.start, 1, time.monotonic()
    grammar = whole.layout.grammar(options.longest_line)
    has_header = whole.layout.header
    # Encodings that can be cut have ASCII's bytes for what records hang on, so the raw bytes will do.
    for block in read_records(read_utf8(whole.file, "utf-8", whole.start), grammar):
        rows = 0
        if has_header:  # belongs to the first part
            rows = _blank_records(block, grammar.delimiter) + 1
            has_header = rows > len(block.starts)
        positions = whole.start + block.stop - len(block.data) + block.starts
        while (row := max(rows, int(np.searchsorted(positions, start + part_bytes)))) < len(positions):
            stop, next_line = int(positions[row]), int(block.lines[row])
            yield dataclasses.replace(whole, start=start, stop=stop, first_line=line)
            start, line = stop, next_line
        if time.monotonic() - began > _PROGRESS_SECONDS:
            began = time.monotonic()
            _LOG.info("%s: %.0f%% looked through", whole.file.path, 100 * (whole.start + block.stop) / whole.file.size)
    yield dataclasses.replace(whole, start=start, first_line=line)


def _blank_records(block: Block, delimiter: bytes) -> int:
    """Returns how many blank records a block begins with."""
    blank = 0
    while blank < len(block.starts) and blank not in block.bad and is_blank(block.record(blank), delimiter):
        blank += 1
    return blank


def _without_header(block: Block, delimiter: bytes, report: ReadReport) -> tuple[Block, bool]:
    """Returns the records behind the header, and whether it is still to come: empty lines may stand before it."""
    blank = _blank_records(block, delimiter)
    first = min(blank + 1, len(block.starts))
    report.empty_lines += blank
    rest = slice(first, None)
    bad = {index - first: reason for index, reason in block.bad.items() if index >= first}
    data_start = int(block.starts[first]) if first < len(block.starts) else len(block.data)
    cut = dataclasses.replace(
        block,
        data=block.data[data_start:],
        starts=block.starts[rest] - data_start,
        ends=block.ends[rest] - data_start,
        lines=block.lines[rest],
        bad=bad,
    )
    return cut, blank == len(block.starts)
