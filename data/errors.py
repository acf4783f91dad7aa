"""What this package raises."""


class DataError(ValueError):
    """Data that cannot be used; the message names the input, the reason and the remedy."""

    kind = "data"
    meaning = "The data cannot be used: files that are not there, cannot be read, or are too few."
    remedy = "Correct the files or `data.files`; the message names the file and what is there."


class CorpusError(DataError):
    """A corpus that cannot be used."""

    kind = "text"
    meaning = "A text cannot be read."
    remedy = "Name its encoding with `data.encoding`, or convert the file to UTF-8."


class TableError(DataError):
    """A table, or a row of it, that cannot be used.

    Attributes:
      file: Path of the file.
      line: Where in the file: the number of a line, or of a row in Parquet, from 1; 0 if the whole file is meant.
      column: Name or number of the column; empty if the whole line is meant.
      reason: What is wrong.
      remedy: What to do about it.
    """

    kind = "table"
    meaning = "A table, or a row of it, cannot be used; the message names file, line and column."
    remedy = (
        "Correct the row, name the columns (`data.input`, `data.target`), or leave bad rows out with `data.on_error`."
    )

    def __init__(self, file: str, reason: str, remedy: str, line: int = 0, column: str = "", unit: str = "line"):
        place = file + (f", {unit} {line:,}" if line else "") + (f", column {column}" if column else "")
        super().__init__(f"{place}: {reason}; {remedy}")
        self.file, self.line, self.column, self.reason, self.remedy = file, line, column, reason, remedy
        self._unit = unit

    def __reduce__(self) -> tuple[type["TableError"], tuple[str, str, str, int, str, str]]:
        """Makes the error survive the way between processes: the message alone would not rebuild it."""
        return type(self), (self.file, self.reason, self.remedy, self.line, self.column, self._unit)
