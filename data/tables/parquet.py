"""Parquet: columns of strings or numbers, read a row group at a time."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import TableError
from data.files import DataFile
from data.tables.batch import Batch
from data.tables.layout import Layout
from data.tables.report import ReadReport
from data.tables.text.streams import readable

_BATCH_ROWS = 1 << 16


@contextlib.contextmanager
def open_parquet(file: DataFile) -> Iterator[Any]:
    """Opens a Parquet file as a `pyarrow.parquet.ParquetFile`.

    Raises:
      TableError: It is not a Parquet file, or a part of it cannot be read.
    """
    try:
        with readable(file), file.open() as content, pq.ParquetFile(pa.PythonFile(content, mode="r")) as parquet:
            yield parquet
    except pa.ArrowException as error:
        raise TableError(file.path, f"cannot be read: {error}", "check the file, or write it again") from error


def read_parquet(
    file: DataFile, groups: Sequence[int], first_row: int, layout: Layout, report: ReadReport, lists: bool = False
) -> Iterator[Batch]:
    """Yields the rows of some row groups.

    Strings are taken as they are, numbers, dates and times as their text.

    Args:
      file: The file.
      groups: Which row groups, in order.
      first_row: Number of their first row in the file, from 1.
      layout: Which columns, what they are called in the batches, and which may have nulls.
      report: Counts rows, and rejects those that have no value.
      lists: Whether lists of numbers are read, as JSON text.

    Raises:
      TableError: The file cannot be read, a column is of another kind, or a row is rejected.
    """
    with open_parquet(file) as parquet:
        names = [layout.names[index] for index in layout.indices]
        for index, name in zip(layout.indices, names, strict=True):
            _check_type(file, name, parquet.schema_arrow.field(index).type, lists)
        # A name that two columns have says neither, and then all are read.
        are_named = all(layout.names.count(name) == 1 for name in names)
        chosen = list(dict.fromkeys(names)) if are_named else None
        row = first_row
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, row_groups=list(groups), columns=chosen):
            lines = np.arange(row, row + len(batch))
            row += len(batch)
            indices = [batch.schema.get_field_index(name) for name in names] if are_named else layout.indices
            yield _to_batch(file, lines, layout, [batch.column(index) for index in indices], report)


def _check_type(file: DataFile, name: str, kind: Any, lists: bool) -> None:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if lists and _is_list(kind) and pa.types.is_primitive(kind.value_type):
        kind = kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind):
        raise TableError(
            file.path,
            f"its values are of the type {kind}",
            "name a column of strings, numbers or dates",
            column=repr(name),
        )


def _to_batch(file: DataFile, lines: Any, layout: Layout, arrays: Sequence[pa.Array], report: ReadReport) -> Batch:
    texts = []
    errors: dict[int, TableError] = {}
    for array, index, nullable in zip(arrays, layout.indices, layout.nullable, strict=True):
        if pa.types.is_floating(array.type):
            # What pandas has for a missing value.
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        text = _to_text(array)
        wrong = np.asarray(text.is_null())
        if nullable:
            wrong = wrong & ~np.asarray(array.is_null())
            text = text.fill_null("")
        for row in np.flatnonzero(wrong).tolist():
            reason, remedy = "the value is null", "fill it, or leave the row out"
            if array[row].is_valid:
                reason, remedy = "the value is not UTF-8", "write the column as strings, or leave the row out"
            name = repr(layout.names[index])
            errors.setdefault(row, TableError(file.path, reason, remedy, int(lines[row]), name, "row"))
        texts.append(text)
    if errors:
        for row in sorted(errors):
            report.reject(errors[row])
        usable = np.ones(len(lines), bool)
        usable[list(errors)] = False
        lines, texts = lines[usable], [text.filter(pa.array(usable)) for text in texts]
    report.rows += len(lines)
    return Batch.of(file.path, lines, layout.columns, texts)


def _to_text(array: pa.Array) -> pa.Array:
    """Returns strings; null where bytes are not UTF-8, too."""
    if _is_list(array.type):
        return pa.array(
            [None if row is None else json.dumps(row, default=str) for row in array.to_pylist()], pa.string()
        )
    try:
        text = array.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array(map(_decode, array.cast(pa.binary())), pa.string())
    return text


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _decode(value: pa.Scalar) -> str | None:
    try:
        return value.as_py().decode() if value.is_valid else None
    except UnicodeDecodeError:
        return None
