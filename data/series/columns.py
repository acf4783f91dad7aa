"""Which columns of a table are the times, the values and the names of series."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data.errors import DataError
from data.files import DataFile
from data.series.options import ID_NAMES, TIME_NAMES, VALUE_NAMES
from data.series.reading import parse_values
from data.series.times import AmbiguousTimesError, ShortStepError, TimeFormatError, UnreadableTimeError, parse_times
from data.tables.options import TableOptions
from data.tables.reading import read_table

_AUTO = "auto"

# The largest share of values that may be wrong in a column that is taken for times or numbers, if no column is without.
_MOST = 0.5

# Rows by which columns are told apart.
_LOOKED_AT = 2_000


@dataclasses.dataclass(frozen=True)
class SeriesColumns:
    """Columns by name, or by position where a table does not name them.

    Attributes:
      time: The times.
      value: The values.
      series: The names of series; empty if there is one series.
      decimal: The decimal mark of the values, `.` or `,`; `auto` for what is to be found out.
    """

    time: str
    value: str
    series: str = ""
    decimal: str = "."


def find_series_columns(
    files: Sequence[DataFile], table: TableOptions, stated: SeriesColumns, time_format: str = ""
) -> SeriesColumns:
    """Returns which columns are which: the stated ones, and for the others by their names, or else by what is in them.

    A column has the names of series if it is usually called so; or if times repeat, and it has words.

    Args:
      files: The tables; the first one is looked at.
      table: How it is read; its columns are not regarded.
      stated: The columns that a user names; empty for what is to be found out.
      time_format: The format of the times; empty: found out.

    Raises:
      DataError: It cannot be told; the message names the columns.
    """
    path = files[0].path
    columns = _read_columns(files[0], table)
    if table.header == "auto" and _begins_with_names(columns, time_format, stated.decimal):
        columns = _read_columns(files[0], dataclasses.replace(table, header="yes"))
    for setting in ("time", "value", "series"):
        name = getattr(stated, setting)
        if name and _resolve(name, columns) not in columns:
            raise DataError(
                f"there is no column {name!r} in {path}; it has {_list(columns)}: name one with --set data.{setting}=..."
            )
    named = {_resolve(name, columns) for name in (stated.time, stated.value, stated.series) if name}
    left = [name for name in columns if name not in named]

    def are_numbers(name: str) -> bool:
        return any(_are_numbers(columns[name], mark) for mark in _marks(stated.decimal))

    def are_mostly_numbers(name: str) -> bool:
        return any(_are_numbers(columns[name], mark, _MOST) for mark in _marks(stated.decimal))

    def are_times(name: str) -> bool:
        values = [value for value in columns[name] if value.strip()]
        try:
            parse_times(values, time_format)
        except (AmbiguousTimesError, ShortStepError):
            return True
        except TimeFormatError:
            raise
        except UnreadableTimeError as error:  # the reader says which ones are wrong
            return len(set(error.texts)) < _MOST * len(set(values))
        except DataError:
            return False
        return bool(values)

    time = stated.time
    if not time:
        times = [name for name in _by_name(left, TIME_NAMES) if are_times(name)]
        times += [name for name in left if not are_numbers(name) and are_times(name)]
        times += [name for name in left if _are_steps(columns[name])]
        if not times:
            raise DataError(
                f"no column of {path} has times; it has {_list(columns)}: name one with --set data.time=..., and its "
                "format with --set data.time_format=..."
            )
        time = times[0]
        left.remove(time)
    value = stated.value
    if not value:
        numbers = [name for name in left if are_numbers(name)] or [name for name in left if are_mostly_numbers(name)]
        values = _by_name(numbers, VALUE_NAMES) or (numbers if len(numbers) == 1 else [])
        if not values and len(left) == 1:  # of which some value is no number, as the reader will say
            values = left
        if not values:
            raise DataError(
                f"it cannot be told which column of {path} has the values: {_list(numbers or left)}; name one with "
                "--set data.value=... (if each has a series, write them below each other, with a column of names)"
            )
        value = values[0]
        left.remove(value)
    series = stated.series
    if not series:
        times_of = columns[_resolve(time, columns)]
        repeated = len(set(times_of)) < len(times_of)
        words = [name for name in left if not are_numbers(name)]
        series = next(iter([*_by_name(left, ID_NAMES), *(words if repeated else [])]), "")
    values_of = columns.get(_resolve(value, columns), [])
    marks = [mark for mark in _marks(stated.decimal) if _are_numbers(values_of, mark)]
    decimal = next(iter(marks or _marks(stated.decimal)))
    example = next((value for value in values_of if "," in value), "")
    if len(marks) > 1 and example:
        raise DataError(
            f"{path}, column {value}: in values such as {example!r} the comma can be a decimal mark or separate "
            "thousands; say which: --set data.decimal=, or --set data.decimal=."
        )
    return SeriesColumns(time, value, series, decimal)


def _marks(decimal: str) -> tuple[str, ...]:
    return (".", ",") if decimal == _AUTO else (decimal,)


def _are_numbers(values: Sequence[str], decimal: str, wrong_share: float = 0.0) -> bool:
    numbers, wrong = parse_values(values, decimal)
    return bool(wrong.sum() <= wrong_share * len(values)) and bool(np.isfinite(numbers).any())


def _are_steps(values: Sequence[str]) -> bool:
    """Returns whether values are whole numbers that rise by the same amount from row to row."""
    try:
        rises = {int(after) - int(before) for before, after in itertools.pairwise(values)}
    except ValueError:
        return False
    return len(rises) == 1 and min(rises) > 0


def _read_columns(file: DataFile, table: TableOptions) -> dict[str, list[str]]:
    """Returns the first values of every column."""
    columns: dict[str, list[str]] = {}
    rows = 0
    for batch in read_table([file], dataclasses.replace(table, columns=(), on_error="skip")):
        for name, column in zip(batch.columns.schema.names, batch.columns.columns, strict=True):
            columns.setdefault(name, []).extend(column.slice(0, _LOOKED_AT - rows).to_pylist())
        rows += len(batch)
        if rows >= _LOOKED_AT:
            break
    if not columns:
        raise DataError(f"{file.path} has no row")
    return columns


def _begins_with_names(columns: Mapping[str, Sequence[str]], time_format: str, decimal: str) -> bool:
    """Returns whether a first row that was taken for values has neither a time nor a number, as no row of a series has."""
    first = [values[0].strip() for values in columns.values()]
    if not all(first) or len(set(first)) < len(first):
        return False
    for text in first:
        with contextlib.suppress(DataError):
            parse_times([text], time_format)
            return False
    return not any(_are_numbers([text], mark) for text in first for mark in _marks(decimal))


def _resolve(name: str, columns: Mapping[str, Sequence[str]]) -> str:
    """Returns the name of a column that is stated by its name or position; as it is if there is none."""
    if name not in columns and name.isdecimal() and 1 <= int(name) <= len(columns):
        return list(columns)[int(name) - 1]
    return name


def _by_name(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    lowered = {name.strip().lower(): name for name in columns}
    return [lowered[name] for name in usual if name in lowered]


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
