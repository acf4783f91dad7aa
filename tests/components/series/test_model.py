"""The network: what is served, how it is judged, and that a training goes on where it was stopped."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.example_gen.shards import write_shard
from components.series.floor import floor_fn
from components.series.settings import SeriesData
from components.series.training import train
from components.series.windows import make_examples
from data.series.reading import Series
from tests.components.series.conftest import QUICK, make_values

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def signatures(saved_series):
    return tf.saved_model.load(saved_series).signatures


def ask(signatures, history, signature="serving_default"):
    outputs = signatures[signature](history=tf.constant(history, tf.float32))
    return {name: value.numpy() for name, value in outputs.items()}


def test_raw_numbers_go_in_and_raw_numbers_come_out(signatures):
    history = make_values(5)[:, :8]
    found = ask(signatures, history)
    assert {name: value.shape for name, value in found.items()} == dict.fromkeys(("forecast", "lower", "upper"), (5, 3))
    assert (found["lower"] <= found["forecast"]).all()
    assert (found["forecast"] <= found["upper"]).all()
    assert np.abs(found["forecast"] - 50).max() < 20
    np.testing.assert_allclose(ask(signatures, history * 1000)["forecast"], found["forecast"] * 1000, rtol=1e-3)


def test_zeros_are_values_like_any_other(signatures):
    history = make_values(3)[:, :8]
    history[:, 3] = 0
    moved = ask(signatures, history + 1000)["forecast"] - 1000
    np.testing.assert_allclose(ask(signatures, history)["forecast"], moved, atol=0.5)


def test_only_the_end_of_a_longer_history_is_read(signatures):
    history = make_values(2, 20)
    np.testing.assert_allclose(
        ask(signatures, history)["forecast"], ask(signatures, history[:, -8:], "window")["forecast"], rtol=1e-5
    )


@pytest.mark.parametrize("signature", ["serving_default", "window"])
@pytest.mark.parametrize(("value", "said"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_value_that_is_no_number_is_refused_by_its_place(signatures, signature, value, said):
    history = make_values(3)[:, :8]
    history[2, 5] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"history\[2, 5\] is {said}: .*finite numbers"):
        ask(signatures, history, signature)


def test_a_short_history_is_refused_with_the_length_that_is_needed(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="history has 7 values: this model reads 8"):
        ask(signatures, np.ones((2, 7)))


def test_examples_are_judged_by_what_came(signatures, tmp_path):
    values = make_values(1, 60)[0]
    series = Series("a", np.datetime64("2000-01-01", "s"), values.astype(float), np.zeros(60, bool))
    data = SeriesData(
        files=("x.csv",), frequency="month", season=4, horizon=3, context=8, test_length=6, validation_length=3
    )
    write_shard(make_examples([series], data), str(tmp_path), 0, 1)
    records = list(tf.data.TFRecordDataset(str(tmp_path / "Split-test" / "data_tfrecord-00000-of-00001.gz"), "GZIP"))
    assert len(records) == 4
    judged = {name: value.numpy() for name, value in signatures["evaluate"](examples=tf.stack(records)).items()}
    scale = np.abs(values[4:54] - values[:50]).mean()
    for row, origin in enumerate(range(54, 58)):
        target = values[origin : origin + 3]
        error = np.abs(judged["forecast"][row] - target).mean()
        inside = (target >= judged["lower"][row]) & (target <= judged["upper"][row])
        assert judged["mean_absolute_error"][row] == pytest.approx(error, rel=1e-4)
        assert judged["mase"][row] == pytest.approx(error / scale, rel=1e-4)
        assert judged["coverage"][row] == pytest.approx(inside.mean(), abs=1e-6)
    (floor,), _ = floor_fn(str(tmp_path), json.dumps({"context": 8, "horizon": 3, "season": 4}))
    naive = np.mean([np.abs(values[o - 4 : o - 1] - values[o : o + 3]).mean() for o in range(54, 58)])
    assert floor.metrics["mean_absolute_error"] == pytest.approx(naive, rel=1e-5)
    assert floor.metrics["mase"] == pytest.approx(naive / scale, rel=1e-5)


def examples_of(context, horizon, folder):
    values = make_values(1, 60)[0].astype(float)
    series = Series("a", np.datetime64("2000-01-01", "s"), values, np.zeros(60, bool))
    data = SeriesData(
        files=("x.csv",), frequency="month", season=min(4, context // 2), horizon=horizon, context=context
    )
    data = dataclasses.replace(data, test_length=6, validation_length=6)
    write_shard(make_examples([series], data), str(folder), 0, 1)
    path = str(folder / "Split-test" / "data_tfrecord-00000-of-00001.gz")
    return tf.stack(list(tf.data.TFRecordDataset(path, "GZIP")))


def test_a_version_is_judged_on_the_examples_of_other_settings_where_that_can_be(signatures, tmp_path):
    longer = signatures["evaluate"](examples=examples_of(16, 2, tmp_path / "longer"))
    own = signatures["evaluate"](examples=examples_of(8, 2, tmp_path / "own"))
    np.testing.assert_allclose(longer["forecast"], own["forecast"], rtol=1e-5)
    assert longer["forecast"].shape == (5, 2)
    for name, (context, horizon) in {"window": (4, 3), "horizon": (8, 4)}.items():
        (tmp_path / name).mkdir()
        judged = signatures["evaluate"](examples=examples_of(context, horizon, tmp_path / name))
        for figure in ("mase", "mean_absolute_error", "coverage"):
            assert np.isnan(judged[figure]).all()


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_training_that_was_stopped_ends_with_the_same_weights(windows, tmp_path):
    settings = dataclasses.replace(QUICK, members=2, dropout=0.1)
    whole = train(settings, windows, windows, 4, str(tmp_path / "whole")).model
    with pytest.raises(KeyboardInterrupt):
        train(settings, windows, windows, 4, str(tmp_path / "parts"), [Stop()])
    again = train(settings, windows, windows, 4, str(tmp_path / "parts"))
    assert len(again.history) == 3
    for one, other in zip(whole.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
