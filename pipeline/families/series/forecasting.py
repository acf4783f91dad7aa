"""Forecasts of a user's table by a model that is served, or that lies in a folder: a batch prediction with a row a series."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components.series.settings import SeriesData
from data.corpora import find_tables
from data.errors import DataError
from data.files import fingerprint
from data.series.columns import SeriesColumns, find_series_columns
from data.series.frequency import Frequency
from data.series.histories import format_history
from data.series.reading import Series, SeriesTable, read_series
from data.tables.writing import TableWriter
from pipeline.predict.back_ends import BackEnd
from pipeline.predict.job import Job, OnBadRow, Summary
from pipeline.predict.progress import Progress
from pipeline.predict.question import Question
from pipeline.predict.source import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    STANDARD,
    STANDARD_INPUT,
    Chunk,
    copy_standard_input,
    renamed,
)

_HISTORY = "history"
_COLUMNS = ("series", "origin", _HISTORY)
_OUTPUTS = ("forecast", "lower", "upper")

# Bytes of a number as text.
_NUMBER_BYTES = 16

_SETTING = re.compile(r"(?:--set )?\bdata\.([a-z_]+)(?: or data\.([a-z_]+))?")


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What follows on a series.

    Attributes:
      series: Its name; empty for the only one.
      history: The values that the model read, the latest last.
      origin: The time of the latest value, as text.
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


@dataclasses.dataclass(frozen=True)
class SeriesSource:
    """The series of a table as the rows of a batch prediction: each is asked about once, from its end.

    Attributes:
      table: The series.
      context: How many values the model reads.
      fingerprint: A hash of what the files and the ways to read them are.
    """

    table: SeriesTable
    context: int
    fingerprint: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of a chunk."""
        return _COLUMNS

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Input of the model to the column that it takes."""
        return {_HISTORY: (_HISTORY,)}

    def chunks(self) -> Iterator[Chunk]:
        """Yields the series, in the order in which the table first names them. The line of each is that of its first row."""
        usable = {one.name: one for one in self.table.series}
        rows = min(CHUNK_ROWS, max(1, CHUNK_BYTES // (_NUMBER_BYTES * self.context)))
        waiting: list[str] = []
        before = 0
        for name, (file, _) in self.table.first_rows.items():
            if waiting and (len(waiting) == rows or self.table.first_rows[waiting[0]][0] != file):
                yield self._chunk(waiting, before, usable)
                before, waiting = before + len(waiting), []
            waiting.append(name)
        if waiting:
            yield self._chunk(waiting, before, usable)

    def count_lines(self) -> dict[str, int]:
        """Returns the line of the last series that each file begins: how far that is says how much is left."""
        lines: dict[str, int] = {}
        for file, line in self.table.first_rows.values():
            lines[file] = max(lines.get(file, 0), line)
        return lines

    def _chunk(self, names: Sequence[str], before: int, usable: Mapping[str, Series]) -> Chunk:
        origins, histories, reasons = [], [], []
        for name in names:
            one = usable.get(name)
            reason = None if one is not None else self.table.left_out[name]
            if one is not None and len(one) < self.context:
                called = f"series {name!r}" if name else "the series"
                reason = f"{called} has {len(one):,} values, and this model reads {self.context:,}"
            known = one if reason is None else None
            reasons.append(reason)
            origins.append(_label(known, 0, self.table.frequency) if known else None)
            histories.append(format_history(known.values[-self.context :].tolist()) if known else None)
        columns = (pa.array(names, pa.string()), pa.array(origins, pa.string()), pa.array(histories, pa.string()))
        places = [self.table.first_rows[name] for name in names]
        lines = pa.array([line for _, line in places], pa.int64())
        return Chunk(places[0][0], before, self.names, columns, lines, pa.array(reasons, pa.string()))


class ForecastJob(Job):
    """A batch prediction whose table has a row for each step of each forecast. It keeps its rows, as the series are kept.

    Attributes:
      table: The series.
      versions: Versions of the model that answered.
    """

    def __init__(
        self, source: SeriesSource, question: Question, back_end: BackEnd, on_error: OnBadRow, with_version: bool
    ) -> None:
        """Plans it; see `Job`. The column `series` is there if the table has several, or names the only one."""
        super().__init__(source, question, back_end, on_error, with_version)
        self.table, self._context = source.table, source.context
        self._usable = {one.name: one for one in source.table.series}
        names = source.table.first_rows
        self._named = len(names) > 1 or any(names)
        self._written: list[pa.RecordBatch] = []
        self.versions: set[int] = set()
        behind = list(self._rows)[len(_COLUMNS) + len(question.outputs) :]
        self.schema = pa.schema(
            [
                *([("series", pa.string())] if self._named else []),
                ("time", pa.string()),
                *((name, pa.float32()) for name in _OUTPUTS),
                *behind,
            ]
        )

    def output(self, head: Mapping[str, Any], rows: pa.RecordBatch) -> pa.RecordBatch:
        """Returns a row for each step of the forecasts of a chunk; a bad series has one, without a time."""
        wide = super().output(head, rows)
        names = wide.column(0).to_pylist()
        bad = np.asarray(wide.column(1).is_null())
        horizon = sum(name.startswith(f"{_OUTPUTS[0]}_") for name in self._question.outputs)
        counts = np.where(bad, 1, horizon)
        row_of = pa.array(np.repeat(np.arange(len(names)), counts))
        times: list[str | None] = []
        for name, is_bad in zip(names, bad.tolist(), strict=True):
            steps = range(1, horizon + 1)
            labels = (
                [_label(self._usable[name], step, self.table.frequency) for step in steps] if not is_bad else [None]
            )
            times += labels
        arrays = [wide.column(0).take(row_of)] if self._named else []
        arrays.append(pa.array(times, pa.string()))
        place = len(_COLUMNS)
        for name in _OUTPUTS:
            keys = [place + index for index, key in enumerate(self._question.outputs) if key.startswith(f"{name}_")]
            values = np.stack([wide.column(key).to_numpy(zero_copy_only=False) for key in keys], axis=1)
            kept = np.ones(values.shape, bool)
            kept[bad, 1:] = False
            arrays.append(pa.array(values[kept], pa.float32(), from_pandas=True))
        behind = wide.columns[place + len(self._question.outputs) :]
        arrays += [column.take(row_of) for column in behind]
        written = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self._written.append(written)
        self.versions |= {version for version in rows.column(rows.num_columns - 3).to_pylist() if version is not None}
        return written

    def collect(self, progress: Progress) -> Summary:
        """Does the job without writing a table; `forecasts` has what came of it.

        Raises:
          DataError: `on_error` is `stop` and a series is bad.
          PredictionError: The model does not answer.
        """
        return self.run(_Nowhere("", self.schema), progress)

    def forecasts(self) -> list[Forecast]:
        """Returns the forecasts that the job has made; a bad series has none."""
        found: dict[str, Forecast] = {}
        for row in self.rows():
            if row["time"] is None:
                continue
            name = row.get("series", "")
            if name not in found:
                one = self._usable[name]
                history = one.values[-self._context :].tolist()
                found[name] = Forecast(name, history, _label(one, 0, self.table.frequency), [], [], [], [])
            found[name].times.append(row["time"])
            for output in _OUTPUTS:
                getattr(found[name], output).append(row[output])
        return list(found.values())

    def rows(self) -> list[dict[str, Any]]:
        """Returns the rows that the job has written."""
        rows: list[dict[str, Any]] = pa.Table.from_batches(self._written, self.schema).to_pylist()
        return rows


class _Nowhere(TableWriter):
    """Writes nothing: the job keeps its rows."""

    def _write(self, batch: pa.RecordBatch) -> None:
        pass

    def _finish(self) -> None:
        pass

    def close(self) -> None:
        pass


@contextlib.contextmanager
def open_series(
    path: str, data: Mapping[str, Any], on_error: OnBadRow, context: int, options: str = "--"
) -> Iterator[SeriesSource]:
    """Reads the series of a table, for a ``with`` statement.

    Args:
      path: The table, several as a folder or glob, or `-` for standard input.
      data: Fields of `SeriesData` that say how it is read.
      on_error: With `stop` a row or series that cannot be used is an error; otherwise it is left out of the forecasts.
      context: How many values the model reads.
      options: What stands before the name of a setting where messages tell the user to state it.

    Raises:
      DataError: It cannot be used.
    """
    with contextlib.ExitStack() as stack:
        shown = path
        if path == STANDARD:
            path, shown = stack.enter_context(copy_standard_input()), STANDARD_INPUT
            stack.enter_context(renamed(path, shown))
        stack.enter_context(_speaking_to_user(options, {path: shown}))
        settings = SeriesData(files=(path,), on_error="stop" if on_error == "stop" else "skip", **data)
        files = find_tables((path,), "the table").files
        stated = SeriesColumns(settings.time, settings.value, settings.series, settings.decimal)
        columns = find_series_columns(files, settings.options.table, stated, settings.time_format)
        table = read_series(files, dataclasses.replace(settings, **dataclasses.asdict(columns)).options)
        if not table.first_rows:
            raise DataError(f"{shown} has no series with a value")
        table = dataclasses.replace(
            table,
            left_out={name: _in_words_of(options, {path: shown}, reason) for name, reason in table.left_out.items()},
            first_rows={
                name: (shown if file == path else file, line) for name, (file, line) in table.first_rows.items()
            },
        )
        yield SeriesSource(table, context, f"{fingerprint(files)} {sorted(data.items())}")


def forecast_context(question: Question) -> int:
    """Returns how many values of a history a model that forecasts reads.

    Raises:
      ValueError: The model does not forecast.
    """
    if list(question.numbers) != [_HISTORY] or question.texts or "forecast_1" not in question.outputs:
        raise ValueError("the model does not forecast: its signature takes no history")
    return question.numbers[_HISTORY]


def _label(series: Series, step: int, frequency: Frequency) -> str:
    """Returns the time so many steps after the last value of a series, as text."""
    return frequency.label(frequency.after(series.start, len(series) - 1 + step))


@contextlib.contextmanager
def _speaking_to_user(options: str, shown: Mapping[str, str]) -> Iterator[None]:
    """Has errors name an option of the command where a run has a setting, and a file as the user does."""
    try:
        yield
    except DataError as error:
        text = _in_words_of(options, shown, str(error))
        if text == str(error):
            raise
        raise DataError(text) from None


def _in_words_of(options: str, shown: Mapping[str, str], text: str) -> str:
    def name(match: re.Match[str]) -> str:
        return " or ".join(f"{options}{field.replace('_', '-')}" for field in match.groups() if field)

    for path, called in shown.items():
        text = text.replace(path, called)
    return _SETTING.sub(name, text)
