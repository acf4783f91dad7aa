"""Statistics of requests: of those that training examples would make, and of those that a server has logged.

Both are computed here, so that TFDV can hold one against the other. A text input `text` has three features: `text_characters`,
the characters of each row; `text_length`, in which bucket their number is; and `text_length_value`, the number itself. An input
of numbers with a row of them for each example, such as the history of a series, has its own name.

Lengths are compared by their buckets, as categories. TFDV makes histograms of numbers, with ten buckets between the least and
the greatest of each side: for a few whole numbers the two do not fit together, and equal distributions are far apart.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.tfx_libraries import tfdv

from tensorflow_data_validation.statistics import stats_impl  # isort: skip

CHARACTERS, LENGTH, LENGTH_VALUE = "_characters", "_length", "_length_value"

# An input that says how long the answer is: a request with it gives the beginning of a text, of any length.
_LENGTH_OF_ANSWER = "length"

# More different characters than any alphabet or syllabary of one language has; also of most texts in Chinese.
MOST_CHARACTERS = 30_000

# Lengths up to this are buckets of their own; above it there are four buckets to a doubling.
_EXACT_LENGTH = 16


def describe_requests(requests: Iterable[Mapping[str, Any]]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Returns TFDV's statistics of requests.

    Args:
      requests: For each, input name to array; strings are [N] and bytes objects, numbers that count are [N, T].
    """
    columns: dict[str, list[list[Any]]] = {}
    for request in requests:
        for name, values in request.items():
            array = np.asarray(values)
            if array.dtype.kind in "OSU" and array.ndim == 1:
                texts = [text.decode("utf-8", "replace") for text in array.tolist()]
                columns.setdefault(f"{name}{CHARACTERS}", []).extend(list(text) for text in texts)
                if _LENGTH_OF_ANSWER not in request:
                    columns.setdefault(f"{name}{LENGTH}", []).extend([_bucket(len(text))] for text in texts)
                    columns.setdefault(f"{name}{LENGTH_VALUE}", []).extend([len(text)] for text in texts)
            elif array.dtype.kind == "f" and array.ndim == 2:
                columns.setdefault(name, []).extend(array.tolist())
    rows = max(map(len, columns.values()), default=0)
    arrays = [pa.array(values + [None] * (rows - len(values)), _type_of(name)) for name, values in columns.items()]
    batch = pa.RecordBatch.from_arrays(arrays, list(columns))
    options = tfdv.StatsOptions(num_rank_histogram_buckets=MOST_CHARACTERS)
    return stats_impl.generate_statistics_in_memory(batch, options)


def _type_of(feature: str) -> pa.DataType:
    if feature.endswith((CHARACTERS, LENGTH)):
        return pa.list_(pa.string())
    return pa.list_(pa.int64() if feature.endswith(LENGTH_VALUE) else pa.float64())


def _bucket(length: int) -> str:
    """Returns the bucket of a length, called by the least length in it."""
    if length <= _EXACT_LENGTH:
        return str(length)
    step = math.floor(4 * math.log2(length / _EXACT_LENGTH))
    return str(math.ceil(_EXACT_LENGTH * 2 ** (step / 4)))
