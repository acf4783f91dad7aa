"""Looking at a table of series before there is a task for it: which columns are what, and what is in the series."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.series.planning import SeriesPlan, plan_series
from components.series.settings import SeriesData
from components.settings import SettingsError
from pipeline.families.family import Draft
from pipeline.report.words import count

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
    plan = plan_series(SeriesData(files=inputs, **stated))
    columns = {name: getattr(plan.data, name) for name in ("time", "value", "series")}
    settings = {"files": list(inputs)} | {
        name: value for name, value in columns.items() if value and name not in stated
    }
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


def _describe_columns(plan: SeriesPlan, columns: Mapping[str, str]) -> list[str]:
    words = {"time": "times", "value": "values", "series": "names of the series"}
    return [
        f"{count(plan.table.report.rows, 'row')} in {count(len(plan.files.files), 'file')}, such as {plan.files.files[0].path}"
    ] + [f"{words[name]}: the column {column!r}" for name, column in columns.items() if column]


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
    repairs = table.repairs.describe()
    lines.append("; ".join(repairs) if repairs else "no gap, no repeated time, in order")
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
