"""CSV and TSV: a block of records becomes columns, by Arrow; what Arrow does not take is gone through row by row."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from data.errors import TableError
from data.tables.batch import Batch
from data.tables.layout import Layout
from data.tables.report import ReadReport
from data.tables.text.fields import is_blank, split_fields
from data.tables.text.json_lines import not_text
from data.tables.text.records import Block


def parse_delimited(block: Block, file: str, layout: Layout, report: ReadReport) -> Batch:
    """Returns the columns of a block.

    Args:
      block: Records, without the header.
      file: Path of their file.
      layout: What separates fields, how many there are, and which are asked for.
      report: Counts empty lines, and rejects rows that cannot be used.

    Raises:
      TableError: A row is rejected.
    """
    blank = _find_blank(block, layout.delimiter.encode())
    for index in block.bad:
        blank[index] = False
    report.empty_lines += int(blank.sum())
    rows = np.flatnonzero(~blank)
    batch = None
    if layout.delimiter and not block.bad:
        batch = _parse_at_once(block, rows, file, layout)
    if batch is None:
        batch = _parse_each(block, rows, file, layout, report)
    report.rows += len(batch)
    return batch


def _find_blank(block: Block, delimiter: bytes) -> npt.NDArray[np.bool_]:
    """Returns which records have nothing but spaces, tabs and delimiters: bool [N]."""
    begins_blank = np.zeros(256, bool)
    begins_blank[[ord(" "), ord("\t"), ord("\n"), ord("\r"), *delimiter]] = True
    blank: npt.NDArray[np.bool_] = np.zeros(len(block.starts), bool)
    if block.data:
        blank[:] = begins_blank[np.frombuffer(block.data, np.uint8)[block.starts]]
    # Hardly a record gets here.
    for index in np.flatnonzero(blank):
        blank[index] = is_blank(block.record(index), delimiter)
    return blank


def _parse_at_once(block: Block, rows: npt.NDArray[np.int64], file: str, layout: Layout) -> Batch | None:
    """Returns the columns, or None if something is wrong with a row."""
    data = block.data
    if len(rows) < len(block.starts):
        data = b"\n".join(block.record(index) for index in rows) + b"\n"
    if not len(rows) or not _is_utf8(data):
        return None
    names = [str(index) for index in range(layout.width)]
    chosen = list(dict.fromkeys(names[index] for index in layout.indices))
    if data.startswith(b"\xef\xbb\xbf"):
        data = b"\n" + data  # Arrow would take it for a byte order mark; it leaves out empty lines
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.quotes else False,
                double_quote=True,
                escape_char=False,
                newlines_in_values=layout.quotes,
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(chosen, pa.string()),
                include_columns=chosen,
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(rows):
        return None
    arrays = [table.column(names[index]).combine_chunks() for index in layout.indices]
    return Batch.of(file, block.lines[rows], layout.columns, [_one_chunk(array) for array in arrays])


def _one_chunk(array: Any) -> pa.Array:
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_each(block: Block, rows: npt.NDArray[np.int64], file: str, layout: Layout, report: ReadReport) -> Batch:
    values: list[list[str]] = [[] for _ in layout.indices]
    lines = []
    for index in rows.tolist():
        line = int(block.lines[index])
        fields = _fields(block, index, file, line, layout)
        if isinstance(fields, TableError):
            report.reject(fields)
            continue
        lines.append(line)
        for column, position in zip(values, layout.indices, strict=True):
            column.append(fields[position])
    return Batch.of(file, lines, layout.columns, [pa.array(column, pa.string()) for column in values])


def _fields(block: Block, index: int, file: str, line: int, layout: Layout) -> list[str] | TableError:
    if index in block.bad:
        return TableError(file, block.bad[index], "mend the row; state quotes=no if quotes are part of the text", line)
    try:
        text = block.record(index).decode()
    except UnicodeDecodeError as error:
        return TableError(file, *not_text(error, layout.encoding), line, _column_of(error, layout))
    fields = split_fields(text, layout.delimiter, layout.quotes)
    if len(fields) == layout.width:
        return fields
    quoting = "" if layout.quotes else "; state quotes=yes if its fields are quoted"
    return TableError(
        file,
        f"the row has {len(fields):,} column{'s' if len(fields) != 1 else ''}, and the file has {layout.width:,} "
        f"(separated by {layout.delimiter!r}): {text[:60]!r}",
        f"mend the row, or state the delimiter{quoting}",
        line,
    )


def _column_of(error: UnicodeDecodeError, layout: Layout) -> str:
    before = split_fields(error.object[: error.start].decode(), layout.delimiter, layout.quotes)
    return layout.column_name(len(before) - 1) if len(before) <= layout.width else ""
