"""How often a series is measured: which step its times have, and the times that come after them."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data.errors import DataError
from data.series.times import Times

_SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1, "step": 1}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_BUSINESS_DAY = "business day"
UNITS = (*_MONTHS, "week", _BUSINESS_DAY, "day", "hour", "minute", "second", "step")

# Steps after which a pattern repeats: the year of months, the week of days, the day of hours.
_SEASONS = {"year": 1, "quarter": 4, "month": 12, "week": 52, _BUSINESS_DAY: 5, "day": 7, "hour": 24, "minute": 60}
_SEASONS |= {"second": 60, "step": 1}

# A longer season is another one, such as the year of hours.
_LONGEST_DAY = 288

# Dates of fewer days may lack a weekend by chance.
_BUSINESS_DAYS = 10

_STEP = re.compile(r"(?:(\d+) )?([a-z ]+?)s?")


@dataclasses.dataclass(frozen=True)
class Frequency:
    """The step of a series.

    Attributes:
      unit: One of `UNITS`.
      multiple: How many of it.
    """

    unit: str
    multiple: int = 1

    def __str__(self) -> str:
        """Returns how settings and messages say it, such as `month` or `15 minutes`."""
        return self.unit if self.multiple == 1 else f"{self.multiple} {self.unit}s"

    @property
    def season(self) -> int:
        """How many steps the pattern has that series of this step usually repeat; 1 if there is none."""
        season = _SEASONS[self.unit]
        if self.unit in ("minute", "second"):  # of several minutes it is the day
            day = 86_400 // (_SECONDS[self.unit] * self.multiple)
            return day if day <= _LONGEST_DAY else max(1, season // self.multiple)
        return season // self.multiple if season % self.multiple == 0 else 1

    def index(self, times: Times) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Returns how many steps times are after the first of them: int64 [N]; and whether they are whole steps: bool [N].

        Args:
          times: datetime64[s] [N].
        """
        if self.unit in _MONTHS:
            months = times.astype("datetime64[M]").astype(np.int64)
            steps, rest = np.divmod(months - months[0], _MONTHS[self.unit] * self.multiple)
            return steps, rest == 0
        if self.unit == _BUSINESS_DAY:
            days = times.astype("datetime64[D]")
            steps, rest = np.divmod(np.busday_count(days[0], days), self.multiple)
            return steps, (rest == 0) & np.is_busday(days)
        seconds = times.astype(np.int64)
        steps, rest = np.divmod(seconds - seconds[0], _SECONDS[self.unit] * self.multiple)
        return steps, rest == 0

    def after(self, time: np.datetime64, steps: int) -> np.datetime64:
        """Returns the time so many steps after another; in months of fewer days it is the last day."""
        if self.unit in _MONTHS:
            month = time.astype("datetime64[M]")
            day = time.astype("datetime64[D]") - month.astype("datetime64[D]")
            clock = time - time.astype("datetime64[D]")
            target = month + steps * self.multiple * _MONTHS[self.unit]
            last = (target + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
            # The last day of a month stays the last one.
            ended = time.astype("datetime64[D]") + np.timedelta64(1, "D") == (month + 1).astype("datetime64[D]")
            found = last if ended else min(target.astype("datetime64[D]") + day, last)
            return np.datetime64(found.astype("datetime64[s]") + clock)
        if self.unit == _BUSINESS_DAY:
            day = time.astype("datetime64[D]")
            found = np.busday_offset(day, steps * self.multiple, roll="forward").astype("datetime64[s]")
            return np.datetime64(found + (time - day))
        return time + np.timedelta64(steps * self.multiple * _SECONDS[self.unit], "s")

    def label(self, time: np.datetime64) -> str:
        """Returns a time as text, no longer than the step needs."""
        if self.unit == "step":
            return str(int(time.astype(np.int64)))
        text = str(time.astype("datetime64[s]"))
        if not text.endswith("T00:00:00"):
            return text.removesuffix(":00")
        day = text[:10]
        if self.unit == "year" and day.endswith("-01-01"):
            return day[:4]
        return day[:7] if self.unit in _MONTHS and day.endswith("-01") else day


def parse_frequency(text: str) -> Frequency:
    """Returns the frequency that a setting names.

    Raises:
      DataError: It is not a frequency.
    """
    match = _STEP.fullmatch(text.strip().lower())
    if match is None or match[2] not in UNITS or match[1] == "0":
        raise DataError(f"{text!r} is no frequency; it is one of {', '.join(UNITS)}, or several such as '15 minutes'")
    return Frequency(match[2], int(match[1] or 1))


def find_frequency(series: Sequence[Times], counted: bool) -> Frequency:
    """Returns the step that most of the times of some series have.

    Args:
      series: The times of each series, in order, none twice: datetime64[s].
      counted: Whether they are counted steps.

    Raises:
      DataError: No series has two times.
    """
    pooled = [times for times in series if len(times) > 1]
    if not pooled:
        raise DataError("no series has two times, so it cannot be told how often it is measured; state data.frequency")
    days = [times.astype("datetime64[D]") for times in pooled]
    months = [times.astype("datetime64[M]") for times in pooled]
    if not counted and all(map(_same_day, pooled, days, months)):
        step = _most_frequent([np.diff(month.astype(np.int64)) for month in months])
        unit = next(unit for unit, length in _MONTHS.items() if step % length == 0)
        return Frequency(unit, step // _MONTHS[unit])
    step = _most_frequent([np.diff(times.astype(np.int64)) for times in pooled])
    if counted:
        return Frequency("step", step)
    if (
        step == _SECONDS["day"]
        and sum(map(len, days)) >= _BUSINESS_DAYS
        and all(np.is_busday(day).all() for day in days)
    ):
        return Frequency(_BUSINESS_DAY)
    unit = next(unit for unit, length in _SECONDS.items() if step % length == 0)
    return Frequency(unit, step // _SECONDS[unit])


def _same_day(times: Times, days: Times, months: Times) -> bool:
    """Returns whether times are on one day of different months, at one time of day: the first, say, or the last."""
    if (np.diff(months.astype(np.int64)) < 1).any() or len(set((times - days).tolist())) > 1:
        return False
    first = days - months.astype("datetime64[D]")
    last = (months + 1).astype("datetime64[D]") - days
    return len(set(first.tolist())) == 1 or len(set(last.tolist())) == 1


def _most_frequent(steps: Sequence[npt.NDArray[np.int64]]) -> int:
    values, counts = np.unique(np.concatenate(steps), return_counts=True)
    return int(values[np.argmax(counts)])
