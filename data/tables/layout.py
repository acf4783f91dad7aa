"""What a file looks like: its format, encoding, delimiter, header and columns."""

import dataclasses
from typing import Literal

from data.tables.text.records import Grammar

Format = Literal["delimited", "jsonl", "parquet", "dictionary"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a file looks like.

    Attributes:
      format: The file's format.
      encoding: The encoding of its text, as Python names it.
      mark: Bytes of its byte order mark.
      delimiter: What separates fields in CSV and TSV; empty if each line is one field.
      quotes: Whether double quotes quote there.
      header: Whether the first row there names the columns.
      why: How that was told.
      names: What the file calls its columns; empty if it does not name them. For JSONL they are the keys of the first rows.
      width: How many columns it has.
      indices: Which of them are read.
      columns: What the columns that are read are called by who asked for them.
      nullable: Which of these may have nulls, which are read as empty texts.
      examples: The first row: a value for each column of the file, as a text.
    """

    format: Format
    encoding: str = "utf-8"
    mark: int = 0
    delimiter: str = ""
    quotes: bool = False
    header: bool = False
    why: str = ""
    names: tuple[str, ...] = ()
    width: int = 0
    indices: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    nullable: tuple[bool, ...] = ()
    examples: tuple[str, ...] = ()

    def column_name(self, index: int) -> str:
        """Returns what a column is called in messages: its name, or its number from 1."""
        return repr(self.names[index]) if self.names else str(index + 1)

    def grammar(self, longest: int) -> Grammar:
        """Returns what separates and quotes records."""
        return Grammar(self.delimiter.encode(), self.quotes, longest)
