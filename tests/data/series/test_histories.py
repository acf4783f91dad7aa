"""Histories in the fields of a table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.series.histories import format_history, read_histories


@pytest.mark.parametrize(
    "text",
    [
        "1 2.5 -3e2",
        "[1, 2.5, -300]",
        " 1;2.5;-300 ",
        "1,2.5,-300",
        "7 1 2.5 -300",
        ";;1;2.5;-300;;",
        "[null, 1, 2.5, -300]",
    ],
)
def test_the_latest_numbers_of_a_history_are_read(text):
    values, reasons = read_histories([text], 3)
    np.testing.assert_array_equal(values, np.array([[1, 2.5, -300]], np.float32))
    assert reasons == [None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2", "has 2 values, and this model reads 3"),
        ("", "has 0 values"),
        ("[]", "has 0 values"),
        ("1 two 3", "'two' is no finite number"),
        ("1,5;2,5;3,5", "'1,5' is no finite number"),
        ("1,5 2,5 3,5", "'5 2' is no finite number"),
        ("9 1 nan 3", "value 3 of the history is missing"),
        ("1;;3", "value 2 of the history is missing"),
        ("[1, null, 3]", "value 2 of the history is missing"),
        ("1 2 1e39", "value 3 of the history is 1e+39, too large for float32"),
        ("1 2 inf", "value 3 of the history is inf"),
        ("[[1, 2], 3]", "is no finite number"),
    ],
)
def test_what_is_no_history_has_a_reason(text, reason):
    values, (said,) = read_histories([text], 3)
    assert reason in said
    assert not values.any()


def test_what_was_left_out_before_stays_left_out():
    values, reasons = read_histories([None, "1 2"], 2)
    assert reasons == [None, None]
    assert values.tolist() == [[0, 0], [1, 2]]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_that_are_written_are_read(values):
    found, reasons = read_histories([format_history(values)], len(values))
    assert reasons == [None]
    np.testing.assert_array_equal(found[0], np.array(values, np.float32))


@given(st.text(max_size=60))
def test_no_text_is_an_exception(text):
    values, (reason,) = read_histories([text], 2)
    assert np.isfinite(values).all()
    assert reason is None or reason
