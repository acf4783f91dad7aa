"""What became of the rows: how many were read, which were skipped and why."""

import dataclasses
from typing import Any

from data.errors import TableError
from data.tables.options import OnError

# So many skipped rows are listed, the others counted.
_LISTED = 100


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A row that was skipped.

    Attributes:
      file: Path of its file.
      line: Its line, or in Parquet its row, from 1.
      reason: What is wrong with it, with the column if one is meant.
    """

    file: str
    line: int
    reason: str


@dataclasses.dataclass
class ReadReport:
    """Counts what is read, and stops at or skips what cannot be used. Reports of several parts add up.

    Attributes:
      on_error: `stop` or `skip`.
      rows: Rows that were read.
      empty_lines: Lines that had nothing but white space and delimiters.
      skipped: Rows that could not be used.
      examples: The first hundred of them.
    """

    on_error: OnError = "stop"
    rows: int = 0
    empty_lines: int = 0
    skipped: int = 0
    examples: list[Skipped] = dataclasses.field(default_factory=list)

    def reject(self, error: TableError) -> None:
        """Stops at a row that cannot be used, or counts it as skipped.

        Raises:
          TableError: The given one, if `on_error` is `stop`.
        """
        if self.on_error == "stop":
            raise error
        self.skipped += 1
        reason = f"column {error.column}: {error.reason}" if error.column else error.reason
        row = Skipped(error.file, error.line, reason)
        # Blocks are checked by several: rows come out of order, and the first hundred must not depend on the blocks.
        position = len(self.examples)
        while position and self.examples[position - 1].file == row.file and self.examples[position - 1].line > row.line:
            position -= 1
        if position < _LISTED:
            self.examples.insert(position, row)
            del self.examples[_LISTED:]

    def add(self, later: "ReadReport") -> None:
        """Adds the report of a part that comes behind those that this report is of."""
        self.rows += later.rows
        self.empty_lines += later.empty_lines
        self.skipped += later.skipped
        self.examples = (self.examples + later.examples)[:_LISTED]

    def check_share(self, most: float, setting: str = "data.most_skipped") -> None:
        """Checks how many rows were skipped, once everything is read.

        Args:
          most: Largest share of the rows that may be skipped, 0 to 1.
          setting: What the user calls it.

        Raises:
          DataError: More were.
        """
        total = self.rows + self.skipped
        if self.skipped <= most * total:
            return
        first = self.examples[0]
        raise TableError(
            first.file,
            f"{first.reason}; and {self.skipped:,} of {total:,} rows in all cannot be used, more than {most:.1%}",
            f"mend the data, or raise {setting}",
            first.line,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the counts and the list as JSON can hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "ReadReport":
        """Returns the report that `to_dict` was made from."""
        return cls(**{**fields, "examples": [Skipped(**example) for example in fields["examples"]]})
