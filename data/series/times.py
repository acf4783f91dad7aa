"""Times as text: which format a column has, and the times themselves."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import DataError

# Times: datetime64[s] [N]. Steps that are counted (1, 2, 3) are so many seconds after 1970.
Times = npt.NDArray[np.datetime64]

# A column whose values are whole numbers: years, or else Unix seconds or milliseconds, or else counted steps.
_YEARS = (1500, 2261)
_UNIX_SECONDS = 10**8
_UNIX_MILLISECONDS = 10**11

_DATES = (
    *("%Y/%m/%d", "%Y.%m.%d", "%Y/%m", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%Y", "%m.%Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y"),
    *("%b %d, %Y", "%B %d, %Y", "%Y %b", "%Y %B"),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])|Q([1-4])[- /]?(\d{4})", re.IGNORECASE)
_OFFSET = r"(?<=[T ]\d\d)((?::?\d\d){0,2}(?:\.\d+)?)\s*(?:[Zz]|[+-]\d\d:?(?:\d\d)?)$"
_WEEK = re.compile(r"(\d{4})-?W(\d{2})(?:-?([1-7]))?", re.IGNORECASE)

# So many values are tried before all are: a format that is not the column's fails at once.
_TRIED = 50

# So many say how most of a column is written that has no one format.
_COUNTED = 2_000


def parse_times(values: Sequence[str], stated: str = "", setting: str = "data.time_format") -> tuple[Times, bool]:
    """Returns the times of a column.

    Args:
      values: Its values, none empty.
      stated: Their format, as Python's `strptime` has it; empty: found out.
      setting: What the user calls that, for messages.

    Returns:
      Times datetime64[s] [N], and whether they are counted steps. Those with an offset are in UTC; if all have one time of the
        day where they were measured, they keep that.

    Raises:
      UnreadableTimeError: A value is no time.
      AmbiguousTimesError: They can be read in two ways.
      TimeFormatError: `stated` is no format.
    """
    if not len(values):
        return np.zeros(0, "datetime64[s]"), False
    unique, inverse = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
    texts = pd.Series(np.char.strip(unique.astype(str)))
    times, counted = _parse(texts, stated, setting)
    return times[inverse], counted


def _parse(texts: "pd.Series[str]", stated: str, setting: str) -> tuple[Times, bool]:
    if stated:
        try:
            parsed = pd.to_datetime(texts, format=stated, errors="coerce")
        except ValueError as error:
            raise TimeFormatError(
                f"{setting} is {stated!r}: {error}; write it as Python's strptime has it, such as '%d.%m.%Y %H:%M'; numbers "
                "of seconds since 1970 need no format"
            ) from None
        return _checked(parsed, texts, f"does not have the format {stated!r}", setting), False
    if (
        texts.str.fullmatch(r"-?\d+").all()
        and not texts.str.fullmatch(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:\d\d)?").all()
    ):
        return _parse_numbers(texts)
    for pattern, make in ((_QUARTER, _quarter), (_WEEK, _week)):
        if texts.str.fullmatch(pattern).all():
            return np.array(
                [make(match) for text in texts if (match := pattern.fullmatch(text))], "datetime64[s]"
            ), False
    if texts.str.fullmatch(r"\d{6}").all():
        return _checked(pd.to_datetime(texts, format="%Y%m", errors="coerce"), texts, "is no month", setting), False
    iso = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    if iso.notna().all():
        local = pd.to_datetime(texts.str.replace(_OFFSET, r"\1", regex=True), format="ISO8601", errors="coerce")
        # A local midnight, say, is another hour in UTC in summer than in winter.
        is_daily = local.notna().all() and (local - local.dt.floor("D")).nunique() == 1
        return _seconds(local if is_daily else iso), False
    found: dict[str, Times] = {}
    for form in _forms():
        if pd.to_datetime(texts.head(_TRIED), format=form, errors="coerce").isna().any():
            continue
        parsed = pd.to_datetime(texts, format=form, errors="coerce")
        if parsed.notna().all():
            found[form] = _seconds(parsed)
    if not found:
        # How most of them are written says which ones are wrong.
        forms = {form: pd.to_datetime(texts.head(_COUNTED), format=form, errors="coerce") for form in _forms()}
        form, read = max(forms.items(), key=lambda item: int(item[1].notna().sum()))
        if read.notna().sum() > iso.head(_COUNTED).notna().sum():
            iso = pd.to_datetime(texts, format=form, errors="coerce")
        return _checked(iso, texts, "is no time that can be read", setting), False
    first = next(iter(found.values()))
    other = next((form for form, times in found.items() if (times != first).any()), "")
    if other:
        raise AmbiguousTimesError(
            f"the times, such as {texts[0]!r}, can be read as {next(iter(found))} and as {other}; say which one: "
            f"--set {setting}='{next(iter(found))}'"
        )
    return first, False


def _forms() -> list[str]:
    return [date + clock for date in _DATES for clock in _CLOCKS]


def _parse_numbers(texts: "pd.Series[str]") -> tuple[Times, bool]:
    numbers = texts.astype("int64").to_numpy()
    low, high = int(numbers.min()), int(numbers.max())
    if _YEARS[0] <= low and high <= _YEARS[1]:
        return np.array([f"{year}-01-01" for year in numbers.tolist()], "datetime64[s]"), False
    if low >= _UNIX_SECONDS:
        if low < _UNIX_MILLISECONDS:
            return numbers.astype("datetime64[s]"), False
        return _seconds(pd.Series(numbers.astype("datetime64[ms]"))), False
    return numbers.astype("datetime64[s]"), True


def _checked(parsed: "pd.Series[pd.Timestamp]", texts: "pd.Series[str]", reason: str, setting: str) -> Times:
    wrong = np.flatnonzero(parsed.isna())
    if len(wrong):
        raise UnreadableTimeError(
            [str(text) for text in texts.iloc[wrong]],
            f"{reason}; write it like 2024-01-31, or state the column's format: --set {setting}='%d.%m.%Y'",
        )
    return _seconds(parsed)


class AmbiguousTimesError(DataError):
    """Times that can be read in two ways."""

    kind = "ambiguous-times"
    meaning = "The times of a table can be read in two ways, such as 01/02/2024."
    remedy = "State how they are written, as the message says."


class TimeFormatError(DataError):
    """A stated format that cannot be used."""

    kind = "time-format"
    meaning = "The stated format of a column of times cannot be used."
    remedy = "State it as Python's `strptime` has it, such as `%d.%m.%Y`, or leave it out."


class ShortStepError(DataError):
    """Times that are less than a second apart."""

    kind = "short-step"
    meaning = "The times of a table have fractions of a second."
    remedy = "Number the steps instead, or keep one row a second."


class UnreadableTimeError(DataError):
    """Values that are no times.

    Attributes:
      texts: The values; the message names the first.
      reason: What is wrong and what to do.
    """

    kind = "time"
    meaning = "A value in the column of the times is no time."
    remedy = "Correct the value, or state how times are written, as the message says."

    def __init__(self, texts: Sequence[str], reason: str):
        super().__init__(f"{texts[0]!r} {reason}")
        self.texts, self.reason = list(texts), reason

    def __reduce__(self) -> tuple[type["UnreadableTimeError"], tuple[list[str], str]]:
        """Makes the error survive the way between processes."""
        return type(self), (self.texts, self.reason)


def _seconds(parsed: "pd.Series[pd.Timestamp]") -> Times:
    naive = parsed.dt.tz_convert(None) if parsed.dt.tz is not None else parsed
    exact = naive.to_numpy()
    times: Times = exact.astype("datetime64[s]")
    if (times != exact).any():
        raise ShortStepError(
            f"the time {naive[times != exact].iloc[0]} has a fraction of a second, and the shortest step is a second; number "
            "the steps instead (1, 2, 3)"
        )
    return times


def _quarter(match: re.Match[str]) -> np.datetime64:
    year, quarter = match[1] or match[4], int(match[2] or match[3])
    return np.datetime64(f"{year}-{3 * quarter - 2:02d}-01", "s")


def _week(match: re.Match[str]) -> np.datetime64:
    # ISO 8601: week 1 has the year's first Thursday; the 4th of January is in it.
    fourth = np.datetime64(f"{match[1]}-01-04", "D")
    monday = int(fourth.astype(int)) - (int(fourth.astype(int)) + 3) % 7
    days = 7 * (int(match[2]) - 1) + int(match[3] or 1) - 1
    return np.datetime64(str(np.datetime64(monday + days, "D")), "s")
