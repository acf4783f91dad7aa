"""Forecasts of a user's table by a model that is served, or that lies in a folder."""

import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from charseq_client import Prediction
from charseq_client.signatures import forecast_window
from components.series.settings import SeriesData
from data.corpora import find_tables
from data.errors import DataError
from data.series.columns import SeriesColumns, find_series_columns
from data.series.frequency import Frequency
from data.series.reading import Series, read_series

# From inputs of the signature `window` to the answer.
Ask = Callable[[dict[str, Any]], Prediction]

_STANDARD = "-"


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What follows on a series.

    Attributes:
      series: Its name; empty for the only one.
      history: The values that the model read, the latest last.
      origin: The time of the latest, as text.
      times: The times of the forecast, as text.
      forecast: The median, a value a step.
      lower: The lower end of the interval.
      upper: Its upper end.
    """

    series: str
    history: list[float]
    origin: str
    times: list[str]
    forecast: list[float]
    lower: list[float]
    upper: list[float]


def read_history(path: str, data: dict[str, Any]) -> tuple[Sequence[Series], Frequency]:
    """Reads the series of a table.

    Args:
      path: The table, or `-` for CSV on standard input.
      data: Fields of `SeriesData` that say how it is read.

    Raises:
      DataError: It cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="charseq-forecast-") as folder:
        if path == _STANDARD:
            path = os.path.join(folder, "standard-input.csv")
            with open(path, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        settings = SeriesData(files=(path,), **data)
        files = find_tables((path,), "the table").files
        stated = SeriesColumns(settings.time, settings.value, settings.series, settings.decimal)
        columns = find_series_columns(files, settings.options.table, stated, settings.time_format)
        table = read_series(files, dataclasses.replace(settings, **dataclasses.asdict(columns)).options)
    if not table.series:
        raise DataError(f"{path} has no series with a value")
    return table.series, table.frequency


def forecast_series(
    series: Sequence[Series], frequency: Frequency, definitions: dict[str, Any], ask: Ask
) -> list[Forecast]:
    """Forecasts what follows on series, each from its own end.

    Args:
      series: The series.
      frequency: Their step.
      definitions: The model's signatures.
      ask: Asks the model.

    Raises:
      DataError: A series is too short.
      ValueError: The model does not forecast.
    """
    window = forecast_window(definitions)
    for one in series:
        if len(one) < window:
            name = f"series {one.name!r}" if one.name else "the series"
            raise DataError(f"{name} has {len(one):,} values, and this model reads {window:,}; give at least as many")
    histories = np.stack([one.values[-window:] for one in series]).astype(np.float32)
    outputs = ask({"history": histories}).outputs
    found = []
    for row, one in enumerate(series):
        last = frequency.after(one.start, len(one) - 1)
        steps = range(1, outputs["forecast"].shape[1] + 1)
        found.append(
            Forecast(
                one.name,
                histories[row].tolist(),
                frequency.label(last),
                [frequency.label(frequency.after(last, step)) for step in steps],
                *(outputs[name][row].tolist() for name in ("forecast", "lower", "upper")),
            )
        )
    return found


def to_rows(forecasts: Sequence[Forecast]) -> list[dict[str, Any]]:
    """Returns a row for each step of each forecast: `series` if there are several, `time`, `forecast`, `lower`, `upper`."""
    several = len(forecasts) > 1 or any(forecast.series for forecast in forecasts)
    return [
        ({"series": one.series} if several else {}) | {"time": time, "forecast": value, "lower": lower, "upper": upper}
        for one in forecasts
        for time, value, lower, upper in zip(one.times, one.forecast, one.lower, one.upper, strict=True)
    ]
