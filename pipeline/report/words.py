"""The report's words and figures: short functions from results to text, and the filters of its templates."""

import datetime
import math
from typing import Any

from components.evaluator.results import Check

# A probability below this is said as one in so many.
_SMALL_SHARE = 1e-4


def describe_check(check: Check) -> str:
    """Returns in words what a bound of the gate is held against."""
    name = check.metric.replace("_", " ")
    if check.kind == "change":
        return f"change of {name} against the version being served"
    if check.kind == "floor":
        return f"{name} on all test examples, against {check.note}"
    return f"{name} on all test examples"


def describe_bound(check: Check) -> str:
    """Returns a bound in words."""
    if not math.isfinite(check.bound):
        return "a finite number"
    if check.kind == "floor":
        return f"{'above' if check.least else 'below'} {check.bound:.4f}"
    words = f"at {'least' if check.least else 'most'} "
    return words + (f"{check.bound:+.4f}" if check.kind == "change" else f"{check.bound:.4f}")


def describe_value(check: Check, interval: str = "") -> str:
    """Returns in words what was held against a bound.

    Args:
      check: The bound.
      interval: The interval of the figure that it is about, in words; empty if it is not known.
    """
    if check.value is None:
        return check.note or "no version was served"
    if check.kind == "change":
        return f"{check.value:+.4f}" + (f"; {check.note}" if check.note else "")
    return f"{check.value:.4f}" + (f" ({interval})" if interval else "")


def describe_setting(check: Check) -> str:
    """Returns the setting that a bound comes from, with its value if that is the bound."""
    if check.kind == "floor" or not math.isfinite(check.bound):
        return check.setting
    return f"{check.setting} = {abs(check.bound):g}"


def number(value: Any) -> str:
    """Returns a number for reading; anything else stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.3g}"
    return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.2f}"


def count(number: int, noun: str) -> str:
    """Returns how many of something there are, in words: `1 row`, `2 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def percent(share: float) -> str:
    """Returns a share in percent."""
    return f"{share:.2%}"


def probability(log_prob: float) -> str:
    """Returns a probability, given its natural logarithm."""
    share = math.exp(log_prob)
    if share >= _SMALL_SHARE:
        return f"{share:.2%}"
    return f"1 in {math.exp(-log_prob):,.0f}" if log_prob > -30 else f"1 in 10^{-log_prob / math.log(10):.0f}"


def seconds(value: float) -> str:
    """Returns a time span."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Returns a number of bytes in decimal units, as disks are sold by."""
    value, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def moment(value: float) -> str:
    """Returns a time, given in seconds since 1970, as this machine's clock shows it."""
    return datetime.datetime.fromtimestamp(value).strftime("%Y-%m-%d %H:%M:%S")
