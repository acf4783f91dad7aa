"""Windows of series: on which split they are, and as examples."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.example_gen.splits import TEST, TRAIN, VALIDATION, Sides
from components.series.features import HISTORY, ORIGIN, SCALE, SERIES, TARGET
from components.series.settings import SeriesData
from data.series.frequency import Frequency, parse_frequency
from data.series.reading import Series

# Windows that are made at a time.
_AT_A_TIME = 4_096


@dataclasses.dataclass(frozen=True)
class Cut:
    """The windows of a series.

    Attributes:
      origins: Index of the first value that each window forecasts: int64 [N], ascending.
      sides: The split of each.
    """

    origins: npt.NDArray[np.int64]
    sides: Sides


def least_length(data: SeriesData) -> int:
    """Returns how many values a series needs: one window of training, and those of validation and test."""
    return data.context + data.horizon + data.validation_length + data.test_length


def cut_windows(series: Series, data: SeriesData) -> Cut:
    """Divides a series by time.

    The values that a window forecasts are all of one split: a window whose target would reach from one into the next is left
    out. A window of validation or test whose target has values that were filled is left out as well.

    Args:
      series: The series.
      data: The settings, settled.
    """
    ends = len(series) - data.test_length - data.validation_length, len(series) - data.test_length, len(series)
    filled = np.concatenate([[0], np.cumsum(series.filled)])
    origins, sides = [], []
    for side, begin, end in ((TRAIN, data.context, ends[0]), (VALIDATION, ends[0], ends[1]), (TEST, ends[1], ends[2])):
        found = np.arange(max(begin, data.context), end - data.horizon + 1)
        if side == TRAIN:
            found = found[(found[-1:] - found) % data.step == 0] if len(found) else found  # the latest is one of them
        else:
            found = found[filled[found + data.horizon] == filled[found]]
        origins.append(found)
        sides.append(np.full(len(found), side))
    return Cut(np.concatenate(origins), np.concatenate(sides).astype(np.uint8))


def naive_scale(series: Series, data: SeriesData) -> float:
    """Returns what errors on a series are divided by: the mean absolute error of the seasonal naive forecast of one season
    ahead, over all values before the test (Hyndman and Koehler 2006, https://doi.org/10.1016/j.ijforecast.2006.03.001).
    """
    known = series.values[: len(series) - data.test_length]
    return float(np.abs(known[data.season :] - known[: -data.season]).mean())


def make_examples(series: Sequence[Series], data: SeriesData) -> Iterator[tuple[pa.RecordBatch, Sides]]:
    """Yields the examples of some series, in order.

    Columns: `history` and `target` (float32 lists), `scale` (float32), `series` and `origin` (bytes): the name, and the last
      time
    that the forecast knows.
    """
    frequency = parse_frequency(data.frequency)
    for one in series:
        cut = cut_windows(one, data)
        for start in range(0, len(cut.origins), _AT_A_TIME):
            origins = cut.origins[start : start + _AT_A_TIME]
            yield _record_batch(one, origins, data, frequency), cut.sides[start : start + _AT_A_TIME]


def _record_batch(
    series: Series, origins: npt.NDArray[np.int64], data: SeriesData, frequency: Frequency
) -> pa.RecordBatch:
    values = series.values.astype(np.float32)
    history = values[origins[:, np.newaxis] + np.arange(-data.context, 0)]
    target = values[origins[:, np.newaxis] + np.arange(data.horizon)]
    scale = np.full((len(origins), 1), naive_scale(series, data), np.float32)
    labels = [frequency.label(frequency.after(series.start, int(origin) - 1)) for origin in origins]
    columns = {
        HISTORY: _lists(history),
        TARGET: _lists(target),
        SCALE: _lists(scale),
        SERIES: _lists(np.full((len(origins), 1), series.name.encode(), object)),
        ORIGIN: _lists(np.array([[label.encode()] for label in labels], object)),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _lists(values: npt.NDArray[np.float32] | npt.NDArray[np.object_]) -> pa.ListArray:
    """Returns values [N, length] as lists of `length`."""
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    kind = pa.binary() if values.dtype == object else pa.float32()
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel(), kind))
