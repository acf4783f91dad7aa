"""Windows of series: what is on which split."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen.splits import TEST, TRAIN, VALIDATION
from components.series.settings import SeriesData
from components.series.windows import cut_windows, least_length, make_examples, naive_scale
from data.series.reading import Series

START = np.datetime64("2000-01-01", "s")


def series_of(values, filled=()):
    marks = np.zeros(len(values), bool)
    marks[list(filled)] = True
    return Series("a", START, np.asarray(values, float), marks)


def data_of(**changes):
    base = {"files": ("x.csv",), "frequency": "month", "season": 4, "horizon": 3, "context": 8}
    return SeriesData(**base | {"test_length": 6, "validation_length": 4} | changes)


@given(st.integers(21, 90), st.integers(1, 7), st.integers(3, 9), st.integers(3, 9))
def test_no_window_crosses_a_split(length, step, test, validation):
    data = data_of(step=step, test_length=test, validation_length=validation)
    length = max(length, least_length(data))
    cut = cut_windows(series_of(np.arange(length)), data)
    bounds = {int(TRAIN): (8, length - test - validation)}
    bounds |= {int(VALIDATION): (length - test - validation, length - test), int(TEST): (length - test, length)}
    for origin, side in zip(cut.origins.tolist(), cut.sides.tolist(), strict=True):
        begin, end = bounds[side]
        assert begin <= origin
        assert origin + data.horizon <= end
    counts = np.bincount(cut.sides, minlength=3).tolist()
    assert counts[1:] == [validation - 2, test - 2]
    assert counts[0] >= 1


def test_no_forecast_is_judged_by_a_value_that_was_filled():
    length = 40
    cut = cut_windows(series_of(np.arange(length), filled=(length - 1, length - 8)), data_of())
    test, validation = (cut.origins[cut.sides == side] for side in (TEST, VALIDATION))
    assert test.tolist() == [34, 35, 36]
    assert validation.tolist() == []
    assert len(cut.origins[cut.sides == TRAIN]) == 20


def test_examples_hold_what_came_before_and_after_their_origin():
    values = np.arange(40.0)
    ((batch, sides),) = make_examples([series_of(values)], data_of())
    first = {name: batch.column(name)[0].as_py() for name in batch.schema.names}
    assert first["history"] == list(range(8))
    assert first["target"] == [8, 9, 10]
    assert (first["series"], first["origin"], first["scale"]) == ([b"a"], [b"2000-08"], [4.0])
    assert len(sides) == batch.num_rows


def test_the_scale_does_not_see_the_test():
    values = np.arange(40.0)
    values[-6:] = 1e6
    assert naive_scale(series_of(values), data_of()) == 4
