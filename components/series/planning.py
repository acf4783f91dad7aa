"""What is settled by looking at the series: columns, frequency, season, horizon, context; and which series can be used."""

import dataclasses
import logging
from typing import Any

import numpy as np

from components.example_gen.splits import SPLITS
from components.series.settings import SeriesData
from components.series.windows import cut_windows, least_length, naive_scale
from data.corpora import find_tables
from data.errors import DataError
from data.files import FoundFiles
from data.series.columns import SeriesColumns, find_series_columns
from data.series.reading import Series, SeriesTable, read_series

_LOG = logging.getLogger("charseq.series")

_SHORTEST_HORIZON, _LONGEST_HORIZON = 6, 48
_MOST_SEASONS = 4
_UNSEASONAL_CONTEXT = 24

# A summary is shown to people and kept in ML Metadata: it names so many, and counts the rest. So does a message.
_NAMED = 100
_SAID = 5


@dataclasses.dataclass(frozen=True)
class SeriesPlan:
    """Series that can be used, and the settings that suit them.

    Attributes:
      data: The settings with nothing left open.
      series: The series.
      table: All that was read.
      files: The files.
      left_out: Names of series that are left out, and why.
    """

    data: SeriesData
    series: tuple[Series, ...]
    table: SeriesTable
    files: FoundFiles
    left_out: dict[str, str]

    def summarize(self) -> dict[str, Any]:
        """Returns what a person wants to know of the series: numbers, and lists of at most 100."""
        counts = np.zeros(len(SPLITS), np.int64)
        for one in self.series:
            counts += np.bincount(cut_windows(one, self.data).sides, minlength=len(SPLITS))
        lengths = [len(one) for one in self.series]
        data = self.data
        return {
            "files": len(self.files.files),
            "file_names": [file.name for file in self.files.files[:_NAMED]],
            "rows": self.table.report.rows,
            "series": len(self.series),
            "values": sum(lengths),
            "shortest": min(lengths),
            "longest": max(lengths),
            "frequency": data.frequency,
            **{
                name: getattr(data, name)
                for name in ("season", "horizon", "context", "test_length", "validation_length")
            },
            "windows": dict(zip(SPLITS, counts.tolist(), strict=True)),
            **dataclasses.asdict(self.table.repairs),
            "empty_lines": self.table.report.empty_lines,
            "skipped": self.table.report.skipped,
            "skipped_rows": self.table.report.to_dict()["examples"],
            "left_out": dict(list(self.left_out.items())[:_NAMED]),
        }


def find_series_files(data: SeriesData) -> FoundFiles:
    """Returns the files that the settings name.

    Raises:
      DataError: There is none.
    """
    return find_tables(data.files, "data.files", data.spans)


def plan_series(data: SeriesData) -> SeriesPlan:
    """Reads the series and settles what the settings leave open.

    Raises:
      DataError: There is no file, one cannot be read, or no series can be used.
    """
    files = find_series_files(data)
    stated = SeriesColumns(data.time, data.value, data.series, data.decimal)
    columns = find_series_columns(files.files, data.options.table, stated, data.time_format)
    data = dataclasses.replace(data, **dataclasses.asdict(columns))
    table = read_series(files.files, data.options)
    table.report.check_share(data.most_skipped)
    if not table.series:
        named = [f"{name!r}: {reason}" if name else reason for name, reason in table.left_out.items()]
        reasons = "; ".join(named[:_SAID])
        raise DataError(f"no series of {files.files[0].path} can be used: {reasons}")
    settled = settle(data, table)
    usable: list[Series] = []
    short: dict[str, str] = {}
    constant: dict[str, str] = {}
    needed = least_length(settled)
    for one in table.series:
        if len(one) < needed:
            short[one.name] = f"it has {len(one):,} values and {needed:,} are needed"
        elif not naive_scale(one, settled) > 0:
            constant[one.name] = (
                "it repeats itself exactly, season after season, before the test: the naive forecast has no error to "
                "measure by"
            )
        else:
            usable.append(one)
    if short and (data.on_error == "stop" or not usable):
        raise DataError(_describe_short(short, settled, needed))
    if not usable:
        raise DataError(f"{_names(constant)} of no use: {next(iter(constant.values()))}; there is nothing to learn")
    left_out = table.left_out | short | constant
    skipped = len(left_out) - len(constant)
    if skipped > data.most_skipped * (len(usable) + len(left_out)) and data.on_error == "skip":
        first = next(iter(table.left_out | short))
        raise DataError(
            f"series {first!r}: {left_out[first]}; and {skipped:,} of {len(usable) + len(left_out):,} series in all "
            "cannot be "
            "used; mend the data, or raise data.most_skipped"
        )
    for name, reason in list(left_out.items())[:_SAID]:
        _LOG.warning("series %r is left out: %s", name, reason)
    return SeriesPlan(settled, tuple(usable), table, files, left_out)


def settle(data: SeriesData, table: SeriesTable) -> SeriesData:
    """Returns the settings with nothing left open.

    Where `context` is open it is as many seasons, of two to four, as leave the shortest series a season of training windows;
    where the season is open too, and the series are too short for two, they are taken to have none.
    """
    lengths = sorted(len(one) for one in table.series)
    # One short series among many is left out or complained of; it does not decide for the others.
    typical = lengths[len(lengths) // 20]
    frequency = str(table.frequency)
    found = data.season or table.frequency.season
    seasons = [found] if data.season or found == 1 else [found, 1]
    for season in seasons:
        horizon = data.horizon or min(max(season, _SHORTEST_HORIZON), _LONGEST_HORIZON)
        test, validation = data.test_length or 2 * horizon, data.validation_length or horizon
        fixed: dict[str, Any] = {"frequency": frequency, "season": season, "horizon": horizon}
        fixed |= {"test_length": test, "validation_length": validation}
        if data.context:
            contexts = [data.context]
        else:
            contexts = (
                [season * count for count in range(_MOST_SEASONS, 1, -1)]
                if season > 1
                else [_UNSEASONAL_CONTEXT, 12, 6]
            )
        for context in contexts:
            settled = dataclasses.replace(data, **fixed, context=context)
            if typical >= least_length(settled) + (horizon if context > contexts[-1] else 0):
                return settled
    return dataclasses.replace(data, **fixed, context=contexts[-1])


def _describe_short(short: dict[str, str], data: SeriesData, needed: int) -> str:
    reason = next(iter(short.values()))
    return (
        f"{_names(short)} too short: {reason}: {data.context} to read (data.context), "
        f"{data.horizon} to forecast (data.horizon), {data.validation_length} for validation and {data.test_length} for "
        "the test; add values, set data.season=1, "
        "data.horizon, data.context or data.test_length lower"
        + (", or leave such series out: --set data.on_error=skip" if any(short) else "")
    )


def _names(names: dict[str, str]) -> str:
    named = [name for name in names if name]
    if not named:
        return "the series is"
    shown = ", ".join(repr(name) for name in named[:_SAID])
    more = f" and {len(named) - _SAID:,} more" if len(named) > _SAID else ""
    return f"the series {shown}{more} {'are' if len(named) > 1 else 'is'}"
