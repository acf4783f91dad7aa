"""Looking at a table of series before there is a task for it: which columns are what, and what is in the series."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.series.planning import SeriesPlan, plan_series
from components.series.settings import SeriesData
from components.settings import SettingsError
from data.corpora import find_tables
from data.errors import DataError
from data.series.options import ID_NAMES, TIME_NAMES, VALUE_NAMES
from data.series.reading import parse_values
from data.series.times import parse_times
from data.tables.reading import read_table
from pipeline.families.family import Draft

# Rows by which columns are told apart.
_LOOKED_AT = 2_000

_NAMED = 5


def look_at_series(inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
    """Reads series and says what is in them.

    Args:
      inputs: Files, folders or globs.
      data: What the user has set of `data`, as text.

    Raises:
      DataError: There is no file, or one cannot be read, or no series can be made of it.
    """
    stated = {name: _typed(name, value) for name, value in data.items() if name != "files"}
    columns = _find_columns(inputs, stated)
    plan = plan_series(SeriesData(files=inputs, **(stated | columns)))
    settings = {"files": list(inputs)} | {name: value for name, value in columns.items() if name not in stated}
    return Draft(settings, [*_describe_columns(plan, columns), *_describe(plan)])


def _typed(name: str, text: str) -> Any:
    """Returns a setting that was given as text with the type of its field."""
    fields = {field.name: field for field in dataclasses.fields(SeriesData)}
    if name not in fields:
        raise SettingsError(f"data has no setting {name!r}; it has {', '.join(fields)}")
    kind = type(fields[name].default)
    try:
        return kind(text) if kind in (int, float) else text
    except ValueError:
        raise SettingsError(f"data.{name} is {text!r}; it is a number") from None


def _find_columns(inputs: Sequence[str], stated: Mapping[str, Any]) -> dict[str, str]:
    """Returns which columns are the times, the values and the names of series, by their names or else by what is in them.

    Raises:
      DataError: It cannot be told; the message names the columns.
    """
    found = find_tables(inputs, "--data")
    options = SeriesData(
        files=tuple(inputs), **{k: v for k, v in stated.items() if k not in ("time", "value", "series")}
    ).options
    every = dataclasses.replace(options.table, columns=())
    columns: dict[str, list[str]] = {}
    for batch in read_table(found.files[:1], every):
        for name, column in zip(batch.columns.schema.names, batch.columns.columns, strict=True):
            columns.setdefault(name, []).extend(column.slice(0, _LOOKED_AT).to_pylist())
        if len(next(iter(columns.values()))) >= _LOOKED_AT:
            break
    if not columns:
        raise DataError(f"{found.files[0].path} has no row")
    chosen = {name: str(stated[name]) for name in ("time", "value", "series") if stated.get(name)}
    left = [name for name in columns if name not in chosen.values()]
    if "time" not in chosen:
        times = [name for name in _by_name(left, TIME_NAMES) if _are_times(columns[name], options.time_format)]
        times += [
            name
            for name in left
            if _are_times(columns[name], options.time_format) and not _are_numbers(columns[name], options.decimal)
        ]
        if not times:
            raise DataError(
                f"no column of {found.files[0].path} has times; it has {_list(columns)}: name one with --set "
                "data.time=..., and its "
                "format with --set data.time_format=..."
            )
        chosen["time"] = times[0]
        left.remove(times[0])
    if "value" not in chosen:
        numbers = [name for name in left if _are_numbers(columns[name], options.decimal)]
        values = _by_name(numbers, VALUE_NAMES) or (numbers if len(numbers) == 1 else [])
        if not values:
            raise DataError(
                f"it cannot be told which column of {found.files[0].path} has the values: {_list(numbers or left)}; name "
                "one with "
                "--set data.value=..."
            )
        chosen["value"] = values[0]
        left.remove(values[0])
    if "series" not in chosen:
        repeated = len(set(columns[chosen["time"]])) < len(columns[chosen["time"]])
        names = _by_name(left, ID_NAMES) or [
            name for name in left if repeated and not _are_numbers(columns[name], options.decimal)
        ]
        if names and (repeated or _by_name(left, ID_NAMES)):
            chosen["series"] = names[0]
    return chosen


def _by_name(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    lowered = {name.strip().lower(): name for name in columns}
    return [lowered[name] for name in usual if name in lowered]


def _are_times(values: Sequence[str], time_format: str) -> bool:
    try:
        parse_times([value for value in values if value.strip()], time_format)
    except DataError as error:
        return "can be read as" in str(error)
    except IndexError:
        return False
    return True


def _are_numbers(values: Sequence[str], decimal: str) -> bool:
    numbers, wrong = parse_values(values, decimal)
    return not wrong.any() and bool(np.isfinite(numbers).any())


def _list(names: Any) -> str:
    return ", ".join(repr(name) for name in names)


def _describe_columns(plan: SeriesPlan, columns: Mapping[str, str]) -> list[str]:
    words = {"time": "times", "value": "values", "series": "names of the series"}
    return [
        f"{plan.table.report.rows:,} rows of {len(plan.files.files):,} files, such as {plan.files.files[0].path}"
    ] + [f"{words[name]}: the column {column!r}" for name, column in columns.items()]


def _describe(plan: SeriesPlan) -> list[str]:
    data, table = plan.data, plan.table
    lengths = [len(one) for one in plan.series]
    first, longest = plan.series[0], max(plan.series, key=len)
    begin, end = (
        table.frequency.label(longest.start),
        table.frequency.label(table.frequency.after(longest.start, len(longest) - 1)),
    )
    several = f", {min(lengths):,} to {max(lengths):,} of {len(lengths):,} series" if len(lengths) > 1 else ""
    lines = [f"a value every {data.frequency}, {begin} to {end}: {sum(lengths):,} values{several}"]
    values = np.concatenate([one.values for one in plan.series])
    lines.append(f"from {values.min():g} to {values.max():g}, {values.mean():g} on average")
    repairs = [
        f"{count:,} {what}"
        for count, what in (
            (table.repairs.unordered, "series not in the order of time (sorted)"),
            (table.repairs.repeated, "rows that are equal to another (left out)"),
            (table.repairs.combined, "rows with the time of another (combined)"),
            (table.repairs.missing, "rows without a value"),
            (table.repairs.filled, "steps without a value (filled on a straight line)"),
        )
        if count
    ]
    lines += [f"not in order: {'; '.join(repairs)}"] if repairs else ["no gap, no repeated time, in order"]
    for name, reason in list(plan.left_out.items())[:_NAMED]:
        lines.append(f"series {name!r} is left out: {reason}")
    season = f"a season of {data.season} steps" if data.season > 1 else "no season"
    lines.append(
        f"with {season}, a model reads {data.context} steps and forecasts {data.horizon}; the last {data.test_length} "
        "steps of "
        f"{'each' if len(plan.series) > 1 else 'the'} series judge it, the {data.validation_length} before them are the "
        "validation"
    )
    if len(first) < data.context + 3 * data.horizon + data.test_length:
        lines.append("the series are short: more values would make the forecasts better")
    return lines
