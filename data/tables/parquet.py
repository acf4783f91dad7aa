"""Parquet: columns of strings or numbers, read a row group at a time."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import TableError
from data.files import DataFile
from data.tables.batch import Batch
from data.tables.report import ReadReport
from data.tables.streams import readable

_BATCH_ROWS = 1 << 16


@contextlib.contextmanager
def open_parquet(file: DataFile) -> Iterator[Any]:
    """Opens a Parquet file as a `pyarrow.parquet.ParquetFile`.

    Raises:
      TableError: It is none, or a part of it cannot be read.
    """
    try:
        with readable(file), file.open() as content, pq.ParquetFile(pa.PythonFile(content, mode="r")) as parquet:
            yield parquet
    except pa.ArrowException as error:
        raise TableError(file.path, f"cannot be read: {error}", "check the file, or write it again") from error


def read_parquet(
    file: DataFile,
    groups: Sequence[int],
    first_row: int,
    indices: Sequence[int],
    columns: Sequence[str],
    report: ReadReport,
) -> Iterator[Batch]:
    """Yields the rows of some row groups.

    Strings are taken as they are, numbers, dates and times as their text.

    Args:
      file: The file.
      groups: Which row groups, in order.
      first_row: Number of their first row in the file, from 1.
      indices: Which columns.
      columns: What they are called in the batches.
      report: Counts rows, and rejects those that have no value.

    Raises:
      TableError: The file cannot be read, a column is of another kind, or a row is rejected.
    """
    with open_parquet(file) as parquet:
        names = [parquet.schema_arrow.names[index] for index in indices]
        for index, name in zip(indices, names, strict=True):
            _check_type(file, name, parquet.schema_arrow.field(index).type)
        row = first_row
        for batch in parquet.iter_batches(
            batch_size=_BATCH_ROWS, row_groups=list(groups), columns=list(dict.fromkeys(names))
        ):
            lines = np.arange(row, row + len(batch))
            row += len(batch)
            arrays = [batch.column(batch.schema.get_field_index(name)) for name in names]
            yield _to_batch(file, lines, names, columns, arrays, report)


def _check_type(file: DataFile, name: str, kind: Any) -> None:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind):
        raise TableError(
            file.path,
            f"its values are of the type {kind}",
            "name a column of strings, numbers or dates",
            column=repr(name),
        )


def _to_batch(
    file: DataFile,
    lines: Any,
    names: Sequence[str],
    columns: Sequence[str],
    arrays: Sequence[pa.Array],
    report: ReadReport,
) -> Batch:
    try:
        texts = [array.cast(pa.string()) for array in arrays]
        for text in texts:
            text.validate(full=True)
    except pa.ArrowInvalid:
        texts = [_to_texts(array) for array in arrays]
    if any(text.null_count for text in texts):
        usable = pc.is_valid(texts[0])
        for text in texts[1:]:
            usable = pc.and_(usable, pc.is_valid(text))
        for index in np.flatnonzero(~np.asarray(usable)):
            wrong = next(column for column, text in enumerate(texts) if not text[index].is_valid)
            reason = "is null" if not arrays[wrong][index].is_valid else "is not UTF-8"
            error = TableError(
                file.path,
                f"the value {reason}",
                "fill it, or leave the row out",
                int(lines[index]),
                repr(names[wrong]),
                "row",
            )
            report.reject(error)
        lines, texts = lines[np.asarray(usable)], [text.filter(usable) for text in texts]
    report.rows += len(lines)
    return Batch.of(file.path, lines, columns, texts)


def _to_texts(array: pa.Array) -> pa.Array:
    """Returns strings, null where bytes are not UTF-8."""
    texts: list[str | None] = []
    for value in array.cast(pa.binary()):
        try:
            texts.append(value.as_buffer().to_pybytes().decode() if value.is_valid else None)
        except UnicodeDecodeError:
            texts.append(None)
    return pa.array(texts, pa.string())
