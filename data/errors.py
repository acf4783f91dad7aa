"""What this package raises."""


class DataError(ValueError):
    """Data that cannot be used; the message names the input, the reason and the remedy."""


class CorpusError(DataError):
    """A corpus that cannot be used."""


class TableError(DataError):
    """A table, or a row of it, that cannot be used.

    Attributes:
      file: Path of the file.
      line: Where in the file: the number of a line, or of a row in Parquet, from 1; 0 if the whole file is meant.
      column: Name or number of the column; empty if the whole line is meant.
      reason: What is wrong.
      remedy: What to do about it.
    """

    def __init__(self, file: str, reason: str, remedy: str, line: int = 0, column: str = "", unit: str = "line"):
        place = file + (f", {unit} {line:,}" if line else "") + (f", column {column}" if column else "")
        super().__init__(f"{place}: {reason}; {remedy}")
        self.file, self.line, self.column, self.reason, self.remedy = file, line, column, reason, remedy
        self._unit = unit

    def __reduce__(self) -> tuple[type["TableError"], tuple[str, str, str, int, str, str]]:
        """Makes the error survive the way between processes: the message alone would not rebuild it."""
        return type(self), (self.file, self.reason, self.remedy, self.line, self.column, self._unit)
