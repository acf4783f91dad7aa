"""Sums as strings: which examples there are, and on which side of the split each one is."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.example_gen import permutation, splits
from components.example_gen.settings import SumsData

# Stream of `permutation.draw` beyond those of the terms.
_SPLIT_STREAM = 100

# The side of an example depends on its terms alone, never on a run's seed: a model that is served now must not meet, as
# the baseline of a later run with another seed, evaluation examples that it was trained on.
_SPLIT_SEED = 0


def generate_terms(data: SumsData, start: int, stop: int) -> npt.NDArray[np.int64]:
    """Returns the terms of examples `start` to `stop`: int64 [stop - start, terms], each 1 to `largest`."""
    indices = np.arange(start, stop, dtype=np.uint64)
    largest = np.uint64(data.largest)
    terms = np.empty((len(indices), data.terms), np.int64)
    permuted = data.permuted_terms if data.distinct else 0
    if permuted:
        rest = permutation.permute(indices, data.distinct_examples, data.seed)
        for term in range(permuted):
            terms[:, term] = rest % largest
            rest //= largest
    for term in range(permuted, data.terms):
        terms[:, term] = permutation.draw(indices, data.seed, term) % largest
    return terms + 1


def sides(data: SumsData, terms: npt.NDArray[np.int64]) -> splits.Sides:
    """Returns, for terms int64 [N, terms], on which side of the split the examples are: alike for every order of terms."""
    place: permutation.UInt64Array = np.zeros(len(terms), np.uint64)
    for column in np.sort(terms, axis=1).T:
        place = permutation.draw(place ^ column.astype(np.uint64), _SPLIT_SEED, _SPLIT_STREAM)
    return splits.sides(data, (place >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def count_carries(terms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns in how many columns the written addition of terms int64 [N, terms] carries: int64 [N]."""
    carries = np.zeros(len(terms), np.int64)
    carry = np.zeros(len(terms), np.int64)
    while terms.any() or carry.any():
        carry = ((terms % 10).sum(axis=1) + carry) // 10
        carries += carry > 0
        terms = terms // 10
    return carries


def to_record_batch(terms: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Returns the examples of terms int64 [N, terms] as Arrow columns of one-element lists.

    Columns: `expression` ("12+34") and `answer` ("46") for the model; `digits` ("2+2": digits of each term, longest first)
    and `carries` (int64) for the Evaluator's slices.
    """
    numbers = terms.astype(str)
    digits = np.sort(np.char.str_len(numbers), axis=1)[:, ::-1].astype(str)
    columns = {
        "expression": pa.array(_join(numbers), pa.binary()),
        "answer": pa.array(terms.sum(axis=1).astype("S"), pa.binary()),
        "digits": pa.array(_join(digits), pa.binary()),
        "carries": pa.array(count_carries(terms), pa.int64()),
    }
    offsets = pa.array(np.arange(len(terms) + 1, dtype=np.int32))
    return pa.RecordBatch.from_arrays([pa.ListArray.from_arrays(offsets, c) for c in columns.values()], list(columns))


def _join(columns: npt.NDArray[np.str_]) -> npt.NDArray[np.bytes_]:
    """Joins the columns of str [N, terms] by plus signs: bytes [N]."""
    joined = columns[:, 0]
    for column in columns[:, 1:].T:
        joined = np.char.add(np.char.add(joined, "+"), column)
    return joined.astype("S")
