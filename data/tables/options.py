"""How a table is to be read."""

import dataclasses
import unicodedata
from typing import Literal

from data.encodings import check_encoding
from data.errors import DataError

Choice = Literal["auto", "yes", "no"]
OnError = Literal["stop", "skip"]

# What is read in a folder; a file that is named may end in anything.
ENDINGS = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".dict")

# A longer line is no row of short strings, and reading it whole could exhaust the memory.
LONGEST_LINE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Column:
    """A column that is asked for.

    Attributes:
      name: What the reader calls it: the name of the column in what is read.
      source: What the file calls it: a name of its header or a JSON key, or its position, 1 for the first. A name wins: "2"
        is the second column unless a column is called "2". Empty: not stated.
      usual: Names that it is looked for under, in this order and without regard to case, if none is stated.
      setting: What the user calls the choice of this column, for messages.
      nullable: Whether a null of JSONL or Parquet, and a JSON key that is not there, are read as an empty text, as an empty
        field of CSV is; otherwise the row cannot be used.
    """

    name: str
    source: str | int = ""
    usual: tuple[str, ...] = ()
    setting: str = ""
    nullable: bool = False

    @property
    def stated_by_name(self) -> bool:
        """Whether a name was stated that is no position."""
        return bool(self.source) and self.position is None

    @property
    def position(self) -> int | None:
        """The stated position, 1 for the first; None if a name or nothing is stated."""
        if isinstance(self.source, int):
            return self.source
        return int(self.source) if self.source.isdecimal() and self.source.isascii() else None


def bare_name(name: str) -> str:
    """Returns a column's name as names are compared: composed (Unicode's form C), without white space at its ends."""
    return unicodedata.normalize("NFC", name).strip()


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """How tables are read.

    Attributes:
      columns: What is asked for, in this order; none means every column, under the names that the file gives them,
        and nullable.
      header: Whether the first line of CSV and TSV names the columns; `auto` is decided for each file
        (`data.tables.text.header`). A header is never a row.
      delimiter: The character between two fields; empty: found out (`data.tables.text.delimiters`). `\\t` may be written as
        backslash and t.
      quotes: Whether a field that begins with a double quote is a quoted one. `auto`: yes, unless the delimiter is a tab and
        the quotes look like part of the text (`data.tables.text.delimiters`).
      encoding: The encoding of CSV, TSV and JSONL, as Python names it. A byte order mark of UTF-8, UTF-16 or UTF-32 wins over
        utf-8.
      on_error: `stop` at the first row that cannot be used, or `skip` such rows, count them and keep the first hundred.
      longest_line: Bytes of the longest row.
      lists: Whether a list of numbers of JSONL or Parquet is read, as its JSON text; otherwise it is no value.
    """

    columns: tuple[Column, ...] = ()
    header: Choice = "auto"
    delimiter: str = ""
    quotes: Choice = "auto"
    encoding: str = "utf-8"
    on_error: OnError = "stop"
    longest_line: int = LONGEST_LINE_BYTES
    lists: bool = False

    def __post_init__(self) -> None:
        """Checks the choices.

        Raises:
          DataError: One is not among those that there are.
        """
        for name, value, choices in (
            ("header", self.header, ("auto", "yes", "no")),
            ("quotes", self.quotes, ("auto", "yes", "no")),
            ("on_error", self.on_error, ("stop", "skip")),
        ):
            if value not in choices:
                raise DataError(f"{name} is {value!r}; it is one of {', '.join(choices)}")
        character = self.delimiter_character
        if character and (len(character) != 1 or not character.isascii() or character in '"\r\n\0'):
            raise DataError(
                f"delimiter is {self.delimiter!r}; it is one ASCII character, such as ',' or ';' or '\\t', and neither a quote "
                "nor the end of a line"
            )
        check_encoding(self.encoding)
        for column in self.columns:
            if column.position is not None and column.position < 1:
                raise DataError(f"{column.setting or column.name} is {column.source!r}; the first column is 1")
        if len({column.name for column in self.columns}) < len(self.columns):
            raise DataError("two columns have the same name")

    @property
    def delimiter_character(self) -> str:
        """The delimiter itself; empty if it is to be found out."""
        return "\t" if self.delimiter == "\\t" else self.delimiter
