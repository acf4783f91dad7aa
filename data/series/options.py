"""How series are read."""

import dataclasses
from typing import Literal

from data.series.frequency import Frequency
from data.tables.options import Column, TableOptions

Duplicates = Literal["stop", "first", "last", "mean", "sum"]

TIME_NAMES = (
    "time",
    "timestamp",
    "date",
    "datetime",
    "ds",
    "month",
    "day",
    "week",
    "quarter",
    "year",
    "hour",
    "period",
)
VALUE_NAMES = ("value", "y", "target")
ID_NAMES = ("unique_id", "series_id", "item_id", "id", "series", "item")


@dataclasses.dataclass(frozen=True)
class SeriesOptions:
    """How the rows of tables become series.

    Attributes:
      table: How the tables are read: the columns `time` and `value`, and for many series in one table `series`.
      time_format: The format of the times, as Python's `strptime` has it; empty: found out.
      decimal: The decimal mark of the values.
      frequency: The step of every series; None: found out.
      duplicates: What becomes of rows of one series that have the same time and different values.
      longest_gap: Most steps without a value between two values; they are filled on a straight line.
    """

    table: TableOptions
    time_format: str = ""
    decimal: Literal["auto", ".", ","] = "."
    frequency: Frequency | None = None
    duplicates: Duplicates = "stop"
    longest_gap: int = 3


def series_columns(time: str, value: str, series: str) -> tuple[Column, ...]:
    """Returns the columns that are asked for: `time`, `value`, and `series` if a column of it is named."""
    columns = (
        Column("time", time, TIME_NAMES, "data.time", nullable=True),
        Column("value", value, VALUE_NAMES, "data.value", nullable=True),
    )
    return (*columns, Column("series", series, (), "data.series", nullable=True)) if series else columns
