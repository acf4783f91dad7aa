"""In which formats a locale writes a date, from CLDR (by way of Babel) and from what people type.

A format is a pattern of CLDR's (Unicode Technical Standard 35, "Dates"), such as `d MMMM y`. A locale has no two formats that
give one string two meanings: the order of day and month, and that of a year of two digits, is the locale's own in all of them.
"""

import datetime
import functools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import babel
from babel.dates import DateTimePattern, parse_pattern

from components.settings import SettingsError

# The names that CLDR gives to patterns of its own, and ours for those of skeletons.
_STYLES = ("full", "long", "medium", "short")
_SKELETONS = {
    "numeric": "yMd",
    "numeric-weekday": "yMEd",
    "abbreviated": "yMMMd",
    "abbreviated-weekday": "yMMMEd",
}
_SEPARATORS = {"dots": ".", "dashes": "-", "slashes": "/", "spaces": " "}

# Where a day's number has an ending: what is put for `{th}`.
_ENGLISH = (
    "MMMM d{th}, y",
    "MMMM d{th} y",
    "MMM d{th}, y",
    "d{th} MMMM y",
    "d{th} MMM y",
    "d{th} 'of' MMMM y",
)
_FRENCH = ("d{th} MMMM y", "d{th} MMM y", "EEEE d{th} MMMM y")


class Format(NamedTuple):
    """Ways to write a date that have a name in common.

    Attributes:
      name: What the report calls it.
      patterns: Patterns of CLDR's. `{th}` stands for the ending of the day's number.
    """

    name: str
    patterns: tuple[str, ...]


class Writer(NamedTuple):
    """How one locale writes dates.

    Attributes:
      locale: CLDR's data.
      formats: At least twelve in most locales.
    """

    locale: babel.Locale
    formats: tuple[Format, ...]

    def write(self, date: datetime.date, pattern: str) -> str:
        """Returns a date in one of the locale's patterns."""
        ending = _ending(self.locale.language, date.day) if "{th}" in pattern else ""
        filled = pattern.replace("{th}", f"'{ending}'" if ending else "")
        return parse_pattern(filled).apply(date, self.locale)


@functools.cache
def find_writer(locale: str, two_digit_years: bool = True) -> Writer:
    """Returns how a locale writes dates.

    Args:
      locale: A language, with or without a country, such as `pt-BR`.
      two_digit_years: Whether formats with two digits of the year are among them.

    Raises:
      SettingsError: CLDR does not know it.
    """
    try:
        found = babel.Locale.parse(locale, sep="-")
    except (babel.UnknownLocaleError, ValueError, TypeError):
        raise SettingsError(
            f"data.locales has {locale!r}, which CLDR does not know; name a language, with or without a country, as BCP 47 "
            "does: de, pt-BR"
        ) from None
    order = _find_order(found)
    formats: dict[str, list[str]] = {}
    known: set[str] = set()
    for name, pattern in _all_patterns(found, order):
        if pattern in known or not order.allows(pattern) or (has_two_digits(pattern) and not two_digit_years):
            continue
        known.add(pattern)
        formats.setdefault(name, []).append(pattern)
    return Writer(found, tuple(Format(name, tuple(patterns)) for name, patterns in formats.items()))


def has_two_digits(pattern: str) -> bool:
    """Returns whether a pattern writes two digits of the year."""
    return "yy" in fields(pattern)


def has_month_name(pattern: str) -> bool:
    """Returns whether a pattern writes the month as a word."""
    return any(len(field) > 2 and field[0] in "ML" for field in fields(pattern))


def fields(pattern: str) -> list[str]:
    """Returns the fields of a pattern in order: `MM/dd/y` gives MM, dd and y."""
    without_text = re.sub(r"'[^']*'|\{th\}", " ", pattern)
    return [field[0] for field in re.finditer(r"([A-Za-z])\1*", without_text)]


class _Order(NamedTuple):
    """In which order a locale has numbers.

    Attributes:
      own: The order of day, month and year, such as `dMy`.
      behind: The order of day and month where the year comes after them: `dM` or `Md`.
    """

    own: str
    behind: str

    def allows(self, pattern: str) -> bool:
        """Returns whether a pattern's numbers are in an order that is the only one."""
        if has_month_name(pattern):
            # `3 May 21` is of 2021, unless the locale has the year first.
            return not has_two_digits(pattern) or self.own[0] != "y"
        order = _numbers(pattern)
        if has_two_digits(pattern):
            return order == self.own
        return order in ("yMd", self.behind + "y")


def _numbers(pattern: str) -> str:
    return "".join("M" if field[0] == "L" else field[0] for field in fields(pattern) if field[0] in "dMLy")


def _find_order(locale: babel.Locale) -> _Order:
    own = _numbers(locale.date_formats["short"].pattern)
    day_and_month = own.replace("y", "")
    if own[0] == "y" and "Md" in locale.datetime_skeletons:
        day_and_month = _numbers(locale.datetime_skeletons["Md"].pattern)
    return _Order(own, day_and_month)


def _all_patterns(locale: babel.Locale, order: _Order) -> Iterator[tuple[str, str]]:
    """Yields names and patterns; the first name of a pattern counts."""
    for style in _STYLES:
        yield style, _text(locale.date_formats[style])
    for name, skeleton in _SKELETONS.items():
        if skeleton in locale.datetime_skeletons:
            yield name, _text(locale.datetime_skeletons[skeleton])
    yield from (("iso", "y-MM-dd"), ("iso-basic", "yMMdd"), ("year-first", "y/MM/dd"), ("year-first", "y.MM.dd"))
    for name, separator in _SEPARATORS.items():
        for widths in ({"d": "d", "M": "M", "y": "y"}, {"d": "dd", "M": "MM", "y": "y"}):
            yield name, separator.join(widths[field] for field in order.behind + "y")
            if separator != " ":
                short = widths | {"y": "yy"}
                yield "two-digit-year", separator.join(short[field] for field in order.own)
    # Where a month's name has a number in it, another number beside it is not what people write.
    names = [name for width in ("wide", "abbreviated") for name in locale.months["format"][width].values()]
    if not any(character.isdigit() for character in "".join(names)):
        yield from (("day-month-year", pattern) for pattern in ("d MMMM y", "d MMM y", "d-MMM-y", "d MMM yy"))
        yield from (("month-day-year", pattern) for pattern in ("MMMM d, y", "MMMM d y", "MMM d y"))
    endings = {"en": _ENGLISH, "fr": _FRENCH}
    yield from (("ordinal", pattern) for pattern in endings.get(locale.language, ()))


def _text(pattern: DateTimePattern) -> str:
    return str(pattern.pattern)


def _english_ending(day: int) -> str:
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


_ENDINGS: dict[str, Callable[[int], str]] = {"en": _english_ending, "fr": lambda day: "er" if day == 1 else ""}


def _ending(language: str, day: int) -> str:
    return _ENDINGS[language](day)
