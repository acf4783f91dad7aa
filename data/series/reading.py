"""Reading series from tables: in order, at regular times, without gaps; what had to be repaired is counted."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import DataError, TableError
from data.files import DataFile
from data.series.frequency import Frequency, find_frequency
from data.series.options import SeriesOptions
from data.series.times import Times, UnreadableTimeError, parse_times
from data.tables.reading import read_table
from data.tables.report import ReadReport

Values = npt.NDArray[np.float64]

# Values become float32, and are added up and subtracted there: larger ones would be infinite.
LARGEST = 1e37

# What may stand between thousands, beside the other one of `.` and `,`.
_SPACES = " \u00a0\u202f'\u2019"

# What tables have where there is no value.
_MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", ".", "…", "#n/a")


# Decimal mark to the other one, and to numbers whose thousands are separated, all in the same way.
_OTHER = {".": ",", ",": "."}
_GROUPED = {
    mark: rf"[+-]?\d{{1,3}}([{_SPACES}{re.escape(other)}])\d{{3}}(?:\1\d{{3}})*(?:{re.escape(mark)}\d*)?"
    for mark, other in _OTHER.items()
}


@dataclasses.dataclass(frozen=True)
class Series:
    """A series without gaps.

    Attributes:
      name: Its name; empty for the only one.
      start: The time of its first value: datetime64[s].
      values: float64 [N].
      filled: Which of them were missing and lie on a straight line between their neighbours: bool [N].
    """

    name: str
    start: np.datetime64
    values: Values
    filled: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)


@dataclasses.dataclass
class Repairs:
    """What was found that was not in order.

    Attributes:
      unordered: Series whose rows were not in the order of time, and were sorted.
      repeated: Rows that are equal to an earlier one, and were left out.
      combined: Rows that have the time of an earlier one and another value, and were combined as the settings say.
      missing: Rows without a value.
      filled: Steps between two values that had none, and were filled on a straight line.
    """

    unordered: int = 0
    repeated: int = 0
    combined: int = 0
    missing: int = 0
    filled: int = 0

    def describe(self) -> list[str]:
        """Returns in words what was not in order and what became of it; nothing if all was."""
        words = (
            (self.unordered, "series was not in the order of time and was sorted"),
            (self.repeated, "row is equal to an earlier one and was left out"),
            (self.combined, "row has the time of an earlier one and was combined with it"),
            (self.missing, "row has no value"),
            (self.filled, "step without a value was filled on a straight line"),
        )
        return [f"{number:,} {text if number == 1 else _plural(text)}" for number, text in words if number]


@dataclasses.dataclass(frozen=True)
class SeriesTable:
    """What is in some tables.

    Attributes:
      series: The series, in the order in which the tables first name them.
      frequency: Their step.
      repairs: What was not in order.
      report: What became of the rows.
      left_out: Names of series that cannot be used, and why.
      first_rows: Names of all series, in that order, and file and line of the first row of each.
    """

    series: tuple[Series, ...]
    frequency: Frequency
    repairs: Repairs
    report: ReadReport
    left_out: dict[str, str]
    first_rows: dict[str, tuple[str, int]]


def read_series(files: Sequence[DataFile], options: SeriesOptions) -> SeriesTable:
    """Reads series. All values are in memory, as numbers.

    Args:
      files: Which files; a series may be spread over several.
      options: How they are read.

    Raises:
      DataError: A file or row cannot be used, two rows of a series have the same time, the times have no regular step, or a
        gap is too long. The message names the file and line, or the series and time.
    """
    report = ReadReport(options.table.on_error)
    rows = _read_rows(files, options, report)
    if not len(rows):
        raise DataError(
            f"{files[0].path if files else 'the table'} has no row with a time and a value; check data.time and data.value"
        )
    repairs = Repairs(missing=int(rows["value"].isna().sum()))
    rows, first_rows = _sorted(rows, repairs)
    left_out: dict[str, str] = {}
    rows = _each_time_once(rows, options, repairs, None if report.on_error == "stop" else left_out)
    rows = rows[rows["value"].notna()]
    starts = np.flatnonzero(np.diff(rows["code"].to_numpy(), prepend=-1))
    names = list(first_rows)
    found = [names[code] for code in rows["code"].to_numpy()[starts]]
    told = {*found, *left_out}
    left_out |= {name: "it has no value" for name in names if name not in told}
    if not found:
        return SeriesTable((), options.frequency or Frequency("step"), repairs, report, left_out, first_rows)
    all_times, all_values = rows["time"].to_numpy().astype("datetime64[s]"), rows["value"].to_numpy(np.float64)
    times: dict[str, Times] = dict(zip(found, np.split(all_times, starts[1:]), strict=True))
    values: dict[str, Values] = dict(zip(found, np.split(all_values, starts[1:]), strict=True))
    frequency = options.frequency or find_frequency(list(times.values()), rows.attrs["counted"])
    series = []
    for name in found:
        try:
            series.append(_regular(name, times[name], values[name], frequency, options, repairs))
        except DataError as error:
            if report.on_error == "stop":
                raise
            left_out[name] = str(error)
    return SeriesTable(tuple(series), frequency, repairs, report, left_out, first_rows)


def parse_values(texts: Sequence[str], decimal: str = ".") -> tuple[Values, npt.NDArray[np.bool_]]:
    """Returns numbers of texts: float64 [N], NaN where there is none; and which texts are neither a number nor missing.

    Thousands may be separated: by `,` (by `.` with a decimal comma), by blanks or by apostrophes.
    """
    column = pd.Series(texts, dtype=object).astype(str).str.strip()
    missing = column.str.lower().isin(_MISSING).to_numpy()
    column = column.str.replace("\u2212", "-", regex=False)  # the sign of a word processor
    grouped = column.str.fullmatch(_GROUPED[decimal])
    if grouped.any():
        column = column.mask(grouped, column.str.replace(f"[{_SPACES}{_OTHER[decimal]}]", "", regex=True))
    if decimal == ",":
        column = column.mask(column.str.contains(".", regex=False), "").str.replace(",", ".", regex=False)
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    values[missing] = np.nan
    return values, ~missing & ~(np.abs(values) <= LARGEST)


def _read_rows(files: Sequence[DataFile], options: SeriesOptions, report: ReadReport) -> pd.DataFrame:
    """Returns the rows: `series`, `time`, `value` (NaN where there is none), `file` and `line`."""
    parts: list[dict[str, Any]] = []
    for batch in read_table(files, options.table, report):
        columns = {
            name: column.to_pylist()
            for name, column in zip(batch.columns.schema.names, batch.columns.columns, strict=True)
        }
        values, wrong = parse_values(columns["value"], options.decimal)
        times = np.array([text.strip() for text in columns["time"]], object)
        for row in np.flatnonzero(wrong):
            text = columns["value"][row]
            mark = " or data.decimal" if "," in text else ""
            remedy = f"check data.value{mark}, or mend the row"
            too_large = abs(values[row]) > LARGEST
            report.reject(
                TableError(
                    batch.file,
                    f"{text[:40]!r} is too large, above {LARGEST:g}" if too_large else f"{text!r} is no finite number",
                    "state the values in another unit" if too_large else remedy,
                    int(batch.lines[row]),
                    "value",
                )
            )
        untimed = ~wrong & (times == "")
        for row in np.flatnonzero(untimed):
            report.reject(
                TableError(
                    batch.file, "the time is empty", "fill it, or leave the row out", int(batch.lines[row]), "time"
                )
            )
        good = ~wrong & ~untimed
        report.rows -= int((~good).sum())
        series = columns.get("series", [""] * len(batch))
        parts.append(
            {
                "series": np.array(series, object)[good],
                "text": times[good],
                "value": values[good],
                "file": np.full(good.sum(), batch.file, object),
                "line": batch.lines[good],
            }
        )
    rows = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True) if parts else pd.DataFrame()
    if len(rows):
        rows = _with_times(rows, options, report)
    return rows


def _with_times(rows: pd.DataFrame, options: SeriesOptions, report: ReadReport) -> pd.DataFrame:
    """Returns the rows whose times can be read, with these in the column `time`; the others are rejected."""
    try:
        times, counted = parse_times(rows["text"].to_list(), options.time_format)
    except UnreadableTimeError as error:
        reason, _, remedy = error.reason.partition("; ")
        wrong = rows["text"].isin(error.texts)
        for text, file, line in rows.loc[wrong, ["text", "file", "line"]].itertuples(index=False):
            report.reject(TableError(file, f"{text!r} {reason}", remedy, int(line), "time"))
        report.rows -= int(wrong.sum())
        rows = rows[~wrong].reset_index(drop=True)
        if not len(rows):
            return rows
        times, counted = parse_times(rows["text"].to_list(), options.time_format)
    rows["time"] = times
    rows.attrs["counted"] = counted
    return rows


def _sorted(rows: pd.DataFrame, repairs: Repairs) -> tuple[pd.DataFrame, dict[str, tuple[str, int]]]:
    """Returns the rows by series and time, with the number of their series in `code`; and the first row of each series."""
    codes, names = pd.factorize(rows["series"])
    rows = rows.assign(code=codes)
    firsts = rows.drop_duplicates("code")
    first_rows = {
        str(name): (str(file), int(line))
        for name, file, line in zip(names, firsts["file"], firsts["line"], strict=True)
    }
    rows = rows.sort_values("code", kind="stable")
    same = np.diff(rows["code"].to_numpy(), prepend=-1) == 0
    back = np.diff(rows["time"].to_numpy(), prepend=rows["time"].to_numpy()[:1]) < np.timedelta64(0)
    repairs.unordered += len(set(rows["code"].to_numpy()[same & back].tolist()))
    return rows.sort_values(["code", "time"], kind="stable"), first_rows


def _each_time_once(
    rows: pd.DataFrame, options: SeriesOptions, repairs: Repairs, left_out: dict[str, str] | None
) -> pd.DataFrame:
    """Returns sorted rows, each time of a series once.

    Args:
      rows: Rows by series and time.
      options: How they are read.
      repairs: Counts what is left out.
      left_out: Gets the series of which a time has two values, if these are to `stop` nothing else.

    Raises:
      TableError: There is such a series, and no `left_out`.
    """
    repeated = rows.duplicated(["code", "time", "value"])
    repairs.repeated += int(repeated.sum())
    rows = rows[~repeated]
    if rows["value"].isna().any():  # a row without a value says nothing where another one has it
        rows = rows[rows["value"].notna() | ~rows.duplicated(["code", "time"], keep=False)]
    again = rows.duplicated(["code", "time"])
    if not again.any():
        return rows
    if options.duplicates == "stop":
        for _, second in rows[again].drop_duplicates("code").iterrows():
            error = _two_values(rows, second)
            if left_out is None:
                raise error
            left_out[str(second["series"])] = str(error)
        return rows[~rows["code"].isin(rows.loc[again, "code"])]
    repairs.combined += int(again.sum())
    if options.duplicates in ("first", "last"):
        return rows.drop_duplicates(["code", "time"], keep=options.duplicates)
    combined = rows.groupby(["code", "time"], sort=False)["value"].agg(options.duplicates)
    return rows.drop_duplicates(["code", "time"]).assign(value=combined.to_numpy())


def _two_values(rows: pd.DataFrame, second: "pd.Series[Any]") -> TableError:
    """Returns what is said of a row that has the time of an earlier one and another value."""
    first = rows[(rows["code"] == second["code"]) & (rows["time"] == second["time"])].iloc[0]
    return TableError(
        second["file"],
        f"{_of(second['series'])}the time {second['text']!r} has the value {second['value']:g} here and {first['value']:g} in "
        f"line {first['line']:,}" + (f" of {first['file']}" if first["file"] != second["file"] else ""),
        "if the table has many series, name their column: --set data.series=COLUMN; otherwise say what counts: "
        "--set data.duplicates=first, last, mean or sum",
        int(second["line"]),
    )


def _regular(
    name: str, times: Times, values: Values, frequency: Frequency, options: SeriesOptions, repairs: Repairs
) -> Series:
    """Returns a series with a value at every step.

    Raises:
      DataError: A time is between two steps, two times are in one step, or a gap is too long.
    """
    index, whole = frequency.index(times)
    if not whole.all():
        at = int(np.flatnonzero(~whole)[0])
        raise DataError(
            f"{_of(name)}the times have no regular step: the step is {frequency}, and {times[at]} is no whole number of such "
            f"steps after {times[0]}; mend the times, combine the values of each day, say, or state the step: "
            "--set data.frequency=week"
        )
    if len(index) > 1 and (np.diff(index) < 1).any():
        at = int(np.flatnonzero(np.diff(index) < 1)[0])
        raise DataError(
            f"{_of(name)}{times[at]} and {times[at + 1]} are in the same {frequency}; add their values up before, or state a "
            "shorter step in data.frequency"
        )
    gaps = np.diff(index) - 1
    if len(gaps) and gaps.max() > options.longest_gap:
        at = int(np.argmax(gaps))
        raise DataError(
            f"{_of(name)}there is no value for {gaps[at]:,} steps of a {frequency} between {frequency.label(times[at])} and "
            f"{frequency.label(times[at + 1])}; up to {options.longest_gap:,} are filled on a straight line "
            "(data.longest_gap): raise "
            "it, or leave out what is before the gap"
        )
    steps = np.arange(index[-1] + 1)
    filled = np.ones(len(steps), bool)
    filled[index] = False
    repairs.filled += int(filled.sum())
    return Series(name, times[0], np.interp(steps, index, values), filled)


def _plural(text: str) -> str:
    """Returns what is said of one row, series or step, for several."""
    for one, many in (
        ("row ", "rows "),
        ("step ", "steps "),
        (" was ", " were "),
        (" is ", " are "),
        (" has ", " have "),
    ):
        text = text.replace(one, many)
    return text


def _of(name: str) -> str:
    """Returns how a message begins that is about a series."""
    return f"series {name!r}: " if name else ""
