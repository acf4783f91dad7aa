"""How often rows and inputs repeat in a table of any size: counted by hashes, in bounded memory."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

_Hashes = npt.NDArray[np.uint64]

# Distinct rows that are kept; 24 bytes each, and as much again while new ones are added.
_MOST_KEPT = 1 << 20


@dataclasses.dataclass(frozen=True)
class Repetition:
    """How often rows and inputs repeat.

    Attributes:
      distinct_inputs: Different inputs.
      duplicates: Rows that are equal to an earlier one in every column.
      several_answers: Inputs that have different answers.
      exact: Whether these are counts; otherwise they are estimates from a random share of the inputs.
    """

    distinct_inputs: int
    duplicates: int
    several_answers: int
    exact: bool


class RepetitionCounter:
    """Counts repetition.

    It keeps two hashes of 64 bits for each row. Once there are too many, it keeps those of half of the inputs, chosen by
    their hash, then of a quarter, and so on (adaptive sampling: Wegman; analysed in Flajolet, "On adaptive sampling", 1990).
    """

    def __init__(self, most_kept: int = _MOST_KEPT):
        self._most_kept = most_kept
        self._level = 0
        self._inputs: _Hashes = np.empty(0, np.uint64)
        self._rows: _Hashes = np.empty(0, np.uint64)
        self._counts: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def add(self, columns: pa.RecordBatch) -> None:
        """Adds rows; the first column is the input, the others are the answer."""
        hashes = [_hash(column) for column in columns.columns]
        rows = hashes[0]
        for other in hashes[1:]:
            rows = rows * np.uint64(0x9E3779B97F4A7C15) + other
        chosen = self._chosen(hashes[0])
        self._merge(hashes[0][chosen], rows[chosen], np.ones(int(chosen.sum()), np.int64))
        while len(self._inputs) > self._most_kept:
            self._level += 1
            chosen = self._chosen(self._inputs)
            self._inputs, self._rows, self._counts = self._inputs[chosen], self._rows[chosen], self._counts[chosen]

    def result(self) -> Repetition:
        """Returns what there is so far."""
        _, answers = np.unique(self._inputs, return_counts=True)
        scale = 2**self._level
        return Repetition(
            len(answers) * scale,
            int((self._counts - 1).sum()) * scale,
            int((answers > 1).sum()) * scale,
            exact=self._level == 0,
        )

    def _chosen(self, inputs: _Hashes) -> npt.NDArray[np.bool_]:
        return (inputs & np.uint64(2**self._level - 1)) == 0  # type: ignore[no-any-return]

    def _merge(self, inputs: _Hashes, rows: _Hashes, counts: npt.NDArray[np.int64]) -> None:
        inputs, rows = np.concatenate((self._inputs, inputs)), np.concatenate((self._rows, rows))
        counts = np.concatenate((self._counts, counts))
        if not len(inputs):
            return
        order = np.lexsort((rows, inputs))
        inputs, rows, counts = inputs[order], rows[order], counts[order]
        first = np.concatenate(([True], (inputs[1:] != inputs[:-1]) | (rows[1:] != rows[:-1])))
        self._inputs, self._rows = inputs[first], rows[first]
        self._counts = np.add.reduceat(counts, np.flatnonzero(first))


def _hash(column: pa.Array) -> _Hashes:
    values = column.to_numpy(zero_copy_only=False)
    hashes: _Hashes = pd.util.hash_array(values, categorize=False)
    return hashes
