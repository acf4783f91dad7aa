"""Patterns with spans: `day-{SPAN}/v{VERSION}/*.txt`, with the meaning that TFX's own ExampleGen gives them.

Source: tfx.components.example_gen.utils of TFX 1.21 (tests/data/test_files.py compares). Ours needs no import of TFX, which
takes seconds, reads several spans, and takes brackets in the names of folders as they stand.
"""

import datetime
import os
from collections import Counter

from data.errors import DataError
from data.patterns import PLACEHOLDER, Match, captures

_DATE = ("YYYY", "MM", "DD")
_EPOCH = datetime.date(1970, 1, 1)


def has_span(pattern: str) -> bool:
    """Returns whether a pattern has a placeholder: `{SPAN}`, `{SPAN:width}`, `{VERSION}`, `{YYYY}`, `{MM}`, `{DD}`."""
    return PLACEHOLDER.search(pattern) is not None


def latest_spans(pattern: str, files: list[Match], spans: int) -> list[Match]:
    """Returns the files of the latest spans, of each span's latest version alone.

    Args:
      pattern: A glob in which `{SPAN}`, or the date `{YYYY}`, `{MM}` and `{DD}`, stands for the number of a span, and
        perhaps `{VERSION}` for that of a version; `{SPAN:3}` is one of three digits.
      files: What matches it with `*` instead of each placeholder.
      spans: How many spans, the latest.

    Raises:
      DataError: The placeholders are not TFX's, or a file has no number where one stands.
    """
    found: dict[int, dict[int, list[Match]]] = {}
    try:
        _check(pattern)
        for file in files:
            span, version = _numbers(pattern, file.path)
            found.setdefault(span, {}).setdefault(version, []).append(file)
    except ValueError as error:
        raise DataError(
            f"the spans of {pattern!r} cannot be read: {error}; a pattern is like 'texts/day-{{SPAN}}/v{{VERSION}}/*.txt', "
            "with a whole number in every file's path where a placeholder stands"
        ) from None
    latest = sorted(found)[-spans:]
    return [file for span in latest for file in found[span][max(found[span])]]


def _check(pattern: str) -> None:
    counts: Counter[str] = Counter()
    for placeholder in PLACEHOLDER.finditer(pattern):
        counts[placeholder[1] or placeholder[3]] += 1
        if placeholder[2] and not placeholder[2][1:].isdecimal():
            raise ValueError(f"the width in {placeholder[0]} is no whole number")
    repeated = [f"{{{name}}}" for name, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(f"{repeated[0]} stands there more than once")
    dates = [name for name in _DATE if counts[name]]
    if dates and len(dates) < len(_DATE):
        raise ValueError("a date needs {YYYY}, {MM} and {DD}")
    if dates and counts["SPAN"]:
        raise ValueError("it has both {SPAN} and a date")
    if counts["VERSION"] and not (dates or counts["SPAN"]):
        raise ValueError("it has {VERSION} without {SPAN} or a date")


def _numbers(pattern: str, path: str) -> tuple[int, int]:
    """Returns span and version of a path."""
    texts = captures(pattern, path)
    if texts is None:
        raise ValueError(f"the placeholders do not fit {path!r}")
    numbers = {}
    for name, text in texts.items():
        if not text.isdecimal():
            raise ValueError(f"{{{name}}} is {text!r} in {path!r}, no whole number")
        numbers[name] = int(text)
    if "SPAN" in numbers:
        span = numbers["SPAN"]
    else:
        try:
            span = (datetime.date(*(numbers[name] for name in _DATE)) - _EPOCH).days
        except ValueError:
            raise ValueError(f"{os.path.basename(path)!r} has no such date: {texts}") from None
    return span, numbers.get("VERSION", 0)
