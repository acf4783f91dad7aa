"""Scaling by the window: what a network sees does not depend on level, unit or season."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.series import make_benchmark_series
from components.series.scaling import scale_windows
from components.series.synthetic import make_series

PATTERN = np.array([3.0, -1.0, -4.0, 2.0])


def scale(history, season=4, horizon=6, seasonal="average"):
    scaled = scale_windows(tf.constant(np.atleast_2d(history), tf.float32), season, horizon, seasonal)
    return tuple(part.numpy() for part in scaled)


@pytest.mark.parametrize("seasonal", ["average", "last"])
def test_a_season_and_a_level_are_forecast_exactly(seasonal):
    inputs, base, _ = scale(100 + np.tile(PATTERN, 4), seasonal=seasonal)
    np.testing.assert_allclose(base[0], 100 + np.tile(PATTERN, 2)[:6], atol=1e-3)
    np.testing.assert_allclose(inputs, 0, atol=0.1)


def test_a_trend_is_not_taken_for_a_season():
    _, base, unit = scale(np.arange(16.0))
    np.testing.assert_allclose(base[0], 15, atol=1e-3)
    assert unit[0, 0] == pytest.approx(1, rel=1e-2)


def test_the_last_season_is_the_seasonal_naive_forecast():
    history = np.random.default_rng(0).normal(50, 10, 16)
    _, base, _ = scale(history, seasonal="last")
    np.testing.assert_allclose(base[0], np.tile(history[-4:], 2)[:6], rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 1e4), st.floats(-1e4, 1e4), st.sampled_from(["average", "last", "none"]))
def test_level_and_unit_leave_what_the_network_sees(factor, level, seasonal):
    history = np.random.default_rng(1).normal(0, 1, 16) + np.arange(16) / 5
    inputs, base, _ = scale(history, seasonal=seasonal)
    moved_inputs, moved_base, _ = scale(history * factor + level * factor, seasonal=seasonal)
    tolerance = 0.02 + 2e-4 * abs(level)  # of float32, and of the share of the level in the unit
    np.testing.assert_allclose(moved_inputs, inputs, atol=tolerance * 3, rtol=tolerance * 3)
    np.testing.assert_allclose(moved_base, (base + level) * factor, rtol=1e-3, atol=factor * 0.02)


@pytest.mark.parametrize("history", [np.zeros(16), np.full(16, 7.0), np.full(16, -1e30), np.full(16, 1e-30)])
def test_a_constant_window_is_no_division_by_zero(history):
    for part in scale(history):
        assert np.isfinite(part).all()
    np.testing.assert_allclose(scale(history)[1], history[:6].reshape(1, 6), rtol=1e-5)


def test_made_series_are_a_function_of_the_seed():
    one, same, other = (make_series(100, 30, 4, seed) for seed in (1, 1, 2))
    assert one.shape == (100, 30)
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_the_series_of_the_benchmark_are_the_same_every_time():
    one, same = (make_benchmark_series(6) for _ in range(2))
    assert len({tuple(series.values) for series in one}) == 6
    for series, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(series.values, again.values)
