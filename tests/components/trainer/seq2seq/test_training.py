"""Training of pairs: that a killed one ends as one that was never killed, and what it leaves."""

import dataclasses
import itertools
import json
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.settings import SettingsError, from_json, to_json
from components.trainer.seq2seq import training
from components.trainer.seq2seq.pairs import Rows, TokenPairs
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.trainer.seq2seq.trainer import Places, train_and_export
from tests.components.session import Session
from tests.components.trainer.seq2seq.conftest import PAIRS, SMALL

pytestmark = pytest.mark.model

# Not compiled, which takes longer than so few steps.
TINY = dataclasses.replace(SMALL, units=8, embedding=8, epochs=3, dropout=0.2, shapes=1, batch_size=64, compiled=False)

WITHOUT_CHANCE = dataclasses.replace(TINY, dropout=0.0, epochs=1, batch_size=32, optimizer="rmsprop", weight_decay=0.0)


def head(pairs, count):
    """Returns the first pairs."""
    return TokenPairs(
        *(Rows(rows.flat[: rows.lengths[:count].sum()], rows.lengths[:count]) for rows in (pairs.source, pairs.target))
    )


def weights(result):
    return [np.asarray(variable) for variable in result.model.variables]


def run(settings, token_pairs, sizes, folder, callbacks=()):
    return training.train(settings, token_pairs, token_pairs, *sizes, str(folder), callbacks)


class KilledError(Exception):
    pass


class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KilledError


@pytest.fixture(scope="module")
def few_pairs(token_pairs):
    """A few steps of short words."""
    return head(token_pairs, 96)


def test_a_killed_training_ends_with_the_same_weights(few_pairs, sizes, tmp_path):
    whole = run(TINY, few_pairs, sizes, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(TINY, few_pairs, sizes, tmp_path / "killed", [Kill()])
    resumed = run(TINY, few_pairs, sizes, tmp_path / "killed")
    assert len(resumed.history) == len(whole.history) == 3
    assert all((a == b).all() for a, b in zip(weights(whole), weights(resumed), strict=True))


@pytest.mark.slow
def test_another_seed_ends_with_other_weights(few_pairs, sizes, tmp_path):
    one, other = (
        run(dataclasses.replace(TINY, seed=seed, epochs=1), few_pairs, sizes, tmp_path / str(seed)) for seed in (17, 18)
    )
    assert not (weights(one)[0] == weights(other)[0]).all()


@pytest.fixture(scope="module")
def steps_of_keras(few_pairs, sizes, tmp_path_factory):
    """A training with Keras's own steps."""
    with mock.patch.object(training, "train_in_pieces"):
        return run(WITHOUT_CHANCE, few_pairs, sizes, tmp_path_factory.mktemp("keras"))


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_steps_in_pieces_are_those_of_keras(compiled, few_pairs, sizes, steps_of_keras, tmp_path):
    ours = run(dataclasses.replace(WITHOUT_CHANCE, parts=2, compiled=compiled), few_pairs, sizes, tmp_path)
    for name, value in ours.history[0].items():
        assert value == pytest.approx(steps_of_keras.history[0][name], rel=0.02 if "loss" in name else 0.1), name
    for a, b in zip(weights(ours)[:-1], weights(steps_of_keras)[:-1], strict=True):
        assert np.abs(a - b).mean() < 1e-3  # of steps of 0.02


def test_networks_of_one_model_begin_differently(untrained_pairs):
    for name, variable in untrained_pairs.layers[-1].stacked.items():
        first, second = np.asarray(variable)
        assert name.endswith("bias") or not (first == second).any(), name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dropout": 1.0}, "train.dropout is 1.0; it lies from 0 to below 1"),
        ({"beam": 0}, "train.beam is 0; it must be at least 1"),
        ({"members": -1}, "train.members is -1; it must not be negative"),
        ({"optimizer": "muon"}, "muon, which seq2seq cannot use"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(change, said):
    with pytest.raises(SettingsError, match=said):
        Seq2SeqSettings(**change)


@pytest.mark.parametrize("pairs", [1, 300, 3_600, 120_000, 500_000, 10_000_000])
def test_what_is_left_open_is_found_and_what_is_set_stays(pairs):
    found = resolve(Seq2SeqSettings(), pairs)
    assert min(found.batch_size, found.epochs, found.units, found.embedding, found.members, found.shapes) >= 1
    assert from_json(Seq2SeqSettings, to_json(found)) == found
    assert 0 <= found.dropout < 1
    own = Seq2SeqSettings(
        learning_rate=1e-3, batch_size=1, epochs=3, units=5, embedding=9, members=4, shapes=1, dropout=0.0
    )
    assert resolve(own, pairs) == own


def test_a_batch_is_no_larger_than_the_data():
    assert resolve(Seq2SeqSettings(batch_size=7), 3).batch_size == 3


def test_more_pairs_are_seen_less_often_by_no_more_networks():
    found = [resolve(Seq2SeqSettings(), pairs) for pairs in (12, 300, 3_600, 120_000, 500_000, 10_000_000)]
    for fewer, more in itertools.pairwise(found):
        assert more.epochs < fewer.epochs
        assert more.members <= fewer.members
        assert more.dropout <= fewer.dropout
        assert more.batch_size >= fewer.batch_size


@pytest.fixture(scope="module")
def exported(pairs_transform, tmp_path_factory):
    """What a training from transformed examples to the SavedModel leaves."""
    folder = tmp_path_factory.mktemp("run")
    layer = pairs_transform.transform_features_layer()
    words, said = zip(*PAIRS, strict=True)
    columns = {"expression": words, "answer": said}
    indexed = layer({name: tf.constant(column)[:, tf.newaxis] for name, column in columns.items()})
    path = str(folder / "examples.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for tokens, targets in zip(indexed["tokens"].to_list(), indexed["targets"].to_list(), strict=True):
            features = {
                f"{name}$ragged_values": tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                for name, values in (("tokens", tokens), ("targets", targets))
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    places = Places(
        [path],
        [path],
        pairs_transform._transform_output_dir,
        *(str(folder / name) for name in ("checkpoints", "run", "model")),
    )
    settings = dataclasses.replace(TINY, members=1, epochs=2)
    return train_and_export(settings, places, target_separator=" "), folder


def test_a_training_leaves_a_model_that_answers_and_what_people_look_at(exported):
    result, folder = exported
    assert len(result.history) == 2
    assert Session(str(folder / "model"))("serving_default", text=["ceb"])["text"].shape == (1,)
    predictions = json.loads((folder / "run" / "predictions.json").read_text())
    words = dict(PAIRS)
    assert len(predictions) == 40
    assert all(words[prediction["expression"]] == prediction["answer"] for prediction in predictions)
    assert {"history.json", "curves.png", "model.png", "model.keras", "model.h5"} <= {
        path.name for path in (folder / "run").iterdir()
    }
    assert not list((folder / "checkpoints").iterdir())


def test_the_keras_file_is_the_model(exported):
    result, folder = exported
    loaded = keras.saving.load_model(folder / "run" / "model.keras")
    inputs = [np.array([[5, 6, 2]]), np.array([[1, 4]])]
    assert loaded(inputs).numpy() == pytest.approx(result.model(inputs).numpy(), abs=1e-5)
