"""What readers yield."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows of one file, in order.

    Attributes:
      file: Path of the file.
      lines: Number of each row's first line in the file, from 1; in Parquet, of the row: int64 [N].
      columns: The columns that were asked for, UTF-8 strings without nulls, N each.
    """

    file: str
    lines: npt.NDArray[np.int64]
    columns: pa.RecordBatch

    @classmethod
    def of(
        cls, file: str, lines: Sequence[int] | npt.NDArray[np.int64], names: Sequence[str], arrays: list[pa.Array]
    ) -> "Batch":
        """Returns a batch of some columns."""
        return cls(file, np.asarray(lines, np.int64), pa.RecordBatch.from_arrays(arrays, list(names)))

    def __len__(self) -> int:
        return len(self.lines)
