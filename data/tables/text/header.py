"""Whether the first row of CSV or TSV names the columns."""

import re
from collections import Counter
from collections.abc import Sequence

from data.tables.options import Column, bare_name

# What people call the columns of pairs, of predictions and of series. A row in which every field is one of these is a header.
_HEADER_WORDS = frozenset(
    word
    for group in (
        "input inputs output outputs target targets source src tgt trg expression answer question query response reply text",
        "label labels word words phones phonemes phoneme ipa pronunciation transcription grapheme graphemes raw clean noisy",
        "original corrected correct wrong misspelled misspelling lemma form inflected inflection tag tags key value values",
        "id index name from to before after prompt completion sentence translation reverse reversed singular plural",
        "date time datetime timestamp day month year count frequency split set latin roman romanized native",
        "english french german spanish italian portuguese russian chinese japanese korean arabic hebrew",
        "en fr de es it pt ru zh ja ko ar he",
    )
    for word in group.split()
)

_NUMBER = re.compile(r"\s*[-+]?(\d[\d.,' ]*|\.\d+)([eE][-+]?\d+)?\s*%?\s*")
_DATE = re.compile(r"\s*\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([T ]\d{1,2}:\d{2}.*)?\s*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _.\-]{0,39}")

# Fewer rows say little of which characters a column has.
_FEWEST_ROWS = 20
_FEWEST_NUMBERS = 3


def find_header(rows: Sequence[Sequence[str]], wanted: Sequence[Column]) -> tuple[bool, str]:
    """Returns whether the first row is a header, and why.

    It is one if it has every column that was stated by name. Where none was, the columns that are asked for decide if it is
    plain which these are: by their positions, or since the first row has their usual names, each once. Otherwise all columns
    do. No field of these may stand there twice, or be a value of its column further down; then it is a header if

    1. every such field is a word that columns are usually called, such as `input`, `target`, `word`, `date`; or
    2. any column has only numbers or dates, three or more, but for its first field; or
    3. every such field looks like a name (a letter of ASCII, then letters, digits, spaces, `_`, `-`, `.`), and every field
       that is no such word has a character that its column has nowhere else, although the column has every one of its
       characters at least twice, over 20 rows or more. By Good and Turing's estimate the chance of a new character in the
       next value is the share of those that were seen once: here none.

    Anything else is a row. In doubt, state it.

    Args:
      rows: The first rows of the file, a thousand or so.
      wanted: The columns that are asked for.
    """
    if not rows:
        return False, "the file has no row"
    first, others = rows[0], rows[1:]
    stated = [str(column.source) for column in wanted if column.stated_by_name]
    if stated:
        names = set(map(bare_name, first))
        missing = [name for name in stated if bare_name(name) not in names]
        return not missing, f"line 1 has no {missing[0]!r}" if missing else f"line 1 has {', '.join(map(repr, stated))}"
    usual = {name for column in wanted for name in (column.name, *column.usual)} | _HEADER_WORDS
    all_fields = [field.strip() for field in first]
    all_columns = [[row[index] for row in others if len(row) == len(first)] for index in range(len(first))]
    chosen = _asked_for([field.lower() for field in all_fields], wanted)
    fields, columns = [all_fields[index] for index in chosen], [all_columns[index] for index in chosen]
    if len(set(fields)) < len(fields):
        return False, "a field of line 1 is there twice"
    for field, column in zip(fields, columns, strict=True):
        if any(value.strip() == field for value in column):
            return False, f"{field!r} is a value of its column as well"
    if all(field.lower() in usual for field in fields):
        return True, f"line 1 has usual names of columns: {', '.join(map(repr, fields))}"
    for field, column in zip(all_fields, all_columns, strict=True):
        numbers = sum(1 for value in column if _is_number(value))
        if numbers >= _FEWEST_NUMBERS and numbers == len(column) and field and not _is_number(field):
            return True, f"under {field!r} there are only numbers or dates"
    if all(map(_NAME.fullmatch, fields)):
        new = [
            "" if field.lower() in usual else _new_character(field, column)
            for field, column in zip(fields, columns, strict=True)
        ]
        if None not in new:
            character, field = next((new, field) for new, field in zip(new, fields, strict=True) if new)
            return True, f"under {field!r} no value has the character {character!r}"
    return False, "line 1 looks like the others"


def _asked_for(fields: Sequence[str], wanted: Sequence[Column]) -> list[int]:
    """Returns the indices of the columns that are asked for, or of all if it cannot be told which these are."""
    found: list[int] = []
    for column in wanted:
        if column.position is not None:
            index = column.position - 1
        else:
            named = [index for index, field in enumerate(fields) if field in column.usual]
            index = named[0] if len(named) == 1 else -1
        if not 0 <= index < len(fields):
            return list(range(len(fields)))
        found.append(index)
    return sorted(set(found)) or list(range(len(fields)))


def _new_character(field: str, column: Sequence[str]) -> str | None:
    """Returns a character of a field that would be a surprise in its column."""
    counts = Counter("".join(column))
    new = sorted(set(field) - counts.keys())
    return new[0] if new and len(column) >= _FEWEST_ROWS and min(counts.values(), default=0) > 1 else None


def _is_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value) or _DATE.fullmatch(value))
