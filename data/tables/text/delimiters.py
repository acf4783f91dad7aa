"""Which character separates the fields of a file, and whether quotes in it are syntax."""

import re
from collections import Counter
from collections.abc import Sequence

from data.tables.options import Column, bare_name
from data.tables.text.fields import sample_rows
from data.tables.text.records import Grammar

# By ending: what is tried first, and taken when nothing separates the rows.
_OWN = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_CANDIDATES = ("\t", ",", ";", "|")

_ROWS = 500
_LEAST_SHARE = 0.9

_QUOTE_AT_FIELD_START = re.compile(rb'(?:\A|[\t\r\n])"')


def find_delimiter(sample: bytes, is_whole: bool, ending: str, wanted: Sequence[Column]) -> str:
    """Returns the delimiter of a file; empty if each line is one field.

    It is the one of tab, comma, semicolon and bar with which the first row has every column that was stated by name;
    otherwise the one that splits most of the rows into equally many fields, two or more, and nine in ten at least: as many as
    are asked for, if a delimiter does that. Among equals it is the one that the ending promises (`.csv`, `.tsv`), then the
    first in this order. If there is none, it is the ending's.

    Args:
      sample: The beginning of the file, UTF-8.
      is_whole: Whether it is the whole file.
      ending: What its name ends in.
      wanted: The columns that are asked for.
    """
    own = _OWN.get(ending, "")
    stated = {bare_name(str(column.source)) for column in wanted if column.stated_by_name}
    best, best_score = own, (False, 0.0)
    for delimiter in dict.fromkeys((own, *_CANDIDATES) if own else _CANDIDATES):
        quotes = delimiter != "\t" or quotes_are_syntax(sample, is_whole)
        rows, bad = sample_rows(sample, is_whole, Grammar(delimiter.encode(), quotes), _ROWS)
        if not rows:
            continue
        if stated and stated <= set(map(bare_name, rows[0])) and (len(rows[0]) > 1 or len(wanted) == 1):
            return delimiter
        width, count = Counter(map(len, rows)).most_common(1)[0]
        share = count / (len(rows) + bad)
        score = (width == len(wanted), share)
        if width > 1 and share >= _LEAST_SHARE and score > best_score:
            best, best_score = delimiter, score
    return best


def has_quote_at_field_start(data: bytes) -> bool:
    """Returns whether a field of a tab-separated file begins with a double quote."""
    return _QUOTE_AT_FIELD_START.search(data) is not None


def quotes_are_syntax(sample: bytes, is_whole: bool) -> bool:
    """Returns whether double quotes quote in a tab-separated file.

    IANA's definition of tab-separated values has no quotes, but spreadsheets and pandas write them. They are syntax if every
    field that begins with one ends with one and has only doubled ones between, if taking them so leaves as many rows with
    equally many fields, and if there is a sign of it: a quoted field that has a doubled quote, a tab or a line end in it or
    nothing but white space, or a column in which every field is quoted.

    Args:
      sample: A stretch of the file from the beginning of a row, UTF-8.
      is_whole: Whether it ends with the file.
    """
    if not has_quote_at_field_start(sample):
        return True  # either way gives the same
    quoted, bad = sample_rows(sample, is_whole, Grammar(b"\t", True), _ROWS * 20)
    if bad or not quoted:
        return False
    plain, _ = sample_rows(sample, is_whole, Grammar(b"\t", False), _ROWS * 20)
    if _largest_share(quoted) < _largest_share(plain):
        return False
    if any(set(field) & set("\t\r\n") for row in quoted for field in row):
        return True
    if any(
        _is_literally_quoted(field) and (field[1:-1].isspace() or len(field) == 2 or '""' in field[1:-1])
        for row in plain
        for field in row
    ):
        return True
    width = Counter(map(len, plain)).most_common(1)[0][0]
    rows = [row for row in plain if len(row) == width]
    return len(rows) > 1 and any(all(_is_literally_quoted(row[index]) for row in rows) for index in range(width))


def _is_literally_quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] == '"'


def _largest_share(rows: Sequence[Sequence[str]]) -> float:
    return Counter(map(len, rows)).most_common(1)[0][1] / len(rows)
