"""Dates as strings: which examples there are, and on which side of the split each one is."""

import datetime
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from components.example_gen import permutation, splits
from components.example_gen.dates.formats import Writer, find_writer, has_month_name, has_two_digits
from components.example_gen.dates.settings import DatesData
from components.example_gen.grouping import hash_inputs

# Streams of `permutation.draw`.
_LOCALE, _FORMAT, _PATTERN, _DAY, _CASE, _SPACES = range(6)

# One date in so many is in lower case, one in capitals, and one without the commas and stops beside words.
_WAYS = 10

# CLDR has spaces that do not break and marks of the direction of writing; what people type has neither.
_SPECIAL_SPACE = re.compile("[\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]")
_MARKS = re.compile("[\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}\N{ARABIC LETTER MARK}]")
_STOPS = re.compile("[.,\N{ARABIC COMMA}]")

# Languages with an i that has its dot in capitals too.
_DOTTED = ("tr", "az")


class Example(NamedTuple):
    """A date.

    Attributes:
      expression: Its locale, a space, and the date as it is written there.
      answer: The date in ISO 8601.
      locale: The locale in which the expression is written.
      format: What its format is called.
    """

    expression: str
    answer: str
    locale: str
    format: str


def generate(data: DatesData, start: int, stop: int) -> Iterator[Example]:
    """Yields examples `start` to `stop`."""
    indices = np.arange(start, stop, dtype=np.uint64)
    draws = [permutation.draw(indices, data.seed, stream).tolist() for stream in range(6)]
    days, recent = data.days, data.two_digit_days
    for draw in zip(*draws, strict=True):
        tag = data.locales[draw[_LOCALE] % len(data.locales)]
        writer = find_writer(tag, bool(recent))
        name, patterns = writer.formats[draw[_FORMAT] % len(writer.formats)]
        pattern = patterns[draw[_PATTERN] % len(patterns)]
        possible = recent if has_two_digits(pattern) else days
        date = datetime.date.fromordinal(possible[draw[_DAY] % len(possible)])
        text = _vary(writer, pattern, writer.write(date, pattern), draw[_CASE] % _WAYS, bool(draw[_SPACES] % 2))
        yield Example(f"{tag} {text}", date.isoformat(), tag, name)


def to_record_batch(examples: list[Example]) -> pa.RecordBatch:
    """Returns examples as Arrow columns of one-element lists: `expression`, `answer`, `locale` and `format`."""
    offsets = pa.array(np.arange(len(examples) + 1, dtype=np.int32))
    columns = [
        pa.array([getattr(example, name).encode() for example in examples], pa.binary()) for name in Example._fields
    ]
    return pa.RecordBatch.from_arrays(
        [pa.ListArray.from_arrays(offsets, column) for column in columns], list(Example._fields)
    )


def sides(data: DatesData, examples: list[Example]) -> splits.Sides:
    """Returns on which side of the split examples are: equal expressions are on one side, whatever the seed."""
    hashes = hash_inputs(pa.array([example.expression for example in examples], pa.string()))
    return splits.sides(data, hashes.astype(np.float64) * 2.0**-64)


def _vary(writer: Writer, pattern: str, text: str, way: int, typed: bool) -> str:
    if typed:
        text = _MARKS.sub("", _SPECIAL_SPACE.sub(" ", text))
    dotted = writer.locale.language in _DOTTED
    if way == 0:
        text = (text.replace("İ", "i").replace("I", "ı") if dotted else text).lower()
    elif way == 1:
        text = (text.replace("i", "İ") if dotted else text).upper()
    elif way == 2 and has_month_name(pattern):
        text = _STOPS.sub("", text)
    return unicodedata.normalize("NFC", text)
