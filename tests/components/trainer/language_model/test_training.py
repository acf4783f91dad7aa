"""Training of language models: what the references name, and that an interrupted training ends as one that was not."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.settings import SettingsError
from components.trainer.language_model.samples import SampleText
from components.trainer.language_model.settings import WindowSettings
from components.trainer.language_model.streams import Streams, initial_states
from components.trainer.language_model.training import train
from components.trainer.language_model.windows import Windows, build_window_model
from pipeline.config.task_files import load_task
from tests.components.trainer.language_model.conftest import SMALL, WINDOW, WINDOWS, to_windows

pytestmark = pytest.mark.model


class InterruptedTrainingError(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise InterruptedTrainingError


@pytest.mark.parametrize(
    ("approach", "settings"),
    [
        (Streams, dataclasses.replace(SMALL, weight_dropout=0.1, input_dropout=0.1, keep="best_val_loss", epochs=3)),
        pytest.param(
            Streams,
            dataclasses.replace(SMALL, optimizer="muon", clip_norm=1.0, warmup=0.1, epochs=3),
            marks=pytest.mark.slow,
        ),
        # Seven steps an epoch, which four do not divide.
        (Streams, dataclasses.replace(SMALL, steps_per_execution=4, epochs=3)),
        (Streams, dataclasses.replace(SMALL, weight_dropout=0.1, parts=2, epochs=3)),
        (
            Windows,
            dataclasses.replace(
                WINDOWS, epochs=3, optimizer="rmsprop", learning_rate=0.05, plateau_factor=0.2, keep="best_loss"
            ),
        ),
    ],
)
def test_an_interrupted_training_ends_with_the_same_weights(approach, settings, tokens, vocabulary, tmp_path):
    way = approach(dataclasses.replace(settings, checkpoint_seconds=0.0))
    window = WINDOW if approach is Windows else 0
    text = to_windows(tokens[:1_000], window, 1 if window else 32, 3 if window else 32)

    def run(name, *callbacks):
        return train(way, text, text, len(vocabulary), str(tmp_path / name), callbacks)

    whole = run("whole")
    with pytest.raises(InterruptedTrainingError):
        run("interrupted", Interrupt(2))
    resumed = run("interrupted")
    assert len(resumed.history) == len(whole.history) == 3
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_epochs_weights_are_those_that_are_kept(tokens, vocabulary, tmp_path):
    # A learning rate that rises and breaks the model in the end.
    settings = dataclasses.replace(SMALL, epochs=4, keep="best_val_loss", output_dropout=0.0)
    text = to_windows(tokens, 0, 32, 32)

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                self.model.optimizer.learning_rate.assign(10.0)

    training = train(Streams(settings), text, text, len(vocabulary), str(tmp_path / "run"), [Break()])
    losses = [logs["val_loss"] for logs in training.history]
    assert losses[3] > min(losses) + 0.5
    states = initial_states(training.model, 1)
    logits = training.model([tf.constant(tokens[np.newaxis, :-1], tf.int32), *states])[0]
    loss = keras.losses.sparse_categorical_crossentropy(tokens[1:], logits[0], from_logits=True).numpy().mean()
    assert loss < min(losses) + 0.05


def test_text_is_written_after_every_epoch_at_every_temperature(tokens, vocabulary, first, tmp_path):
    settings = dataclasses.replace(SMALL, epochs=2, temperatures=(0.0, 0.5), sample_length=25)
    text = to_windows(tokens, 0, 32, 32)
    path = tmp_path / "samples.json"
    samples = SampleText(Streams(settings), first, text, vocabulary, str(path))
    train(Streams(settings), text, text, len(vocabulary), str(tmp_path / "run"), [samples])
    written = json.loads(path.read_text())
    assert [(s["epoch"], s["temperature"]) for s in written] == [(1, 0.0), (1, 0.5), (2, 0.0), (2, 0.5)]
    assert all(len(sample["text"]) == 25 for sample in written)
    assert all(sample["seed_text"] for sample in written)


def test_the_state_is_carried_from_segment_to_segment(tokens, vocabulary, tmp_path):
    # Every segment begins after an `a` and goes on as the segment before it ended: nothing but the state can tell how.
    period = np.array([1, 2, 2, 2, 1, 3, 3, 3], np.uint8)
    text = to_windows(np.tile(period, 60), 0, 8, 8)
    settings = dataclasses.replace(SMALL, batch_size=4, segment=1, learning_rate=3e-2, output_dropout=0.0, ngrams=1)
    carried = train(Streams(settings), text, text, 4, str(tmp_path / "carried"))
    alone = train(Streams(dataclasses.replace(settings, carry_state=False)), text, text, 4, str(tmp_path / "alone"))
    # A character alone leaves one of four places open, ln(2) / 4; with what came before all is certain but the beginning.
    assert carried.history[-1]["loss"] < 0.5 * alone.history[-1]["loss"]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_batch_in_parts_is_trained_on_as_a_whole_one(tokens, vocabulary, tmp_path, compiled):
    text = to_windows(tokens[:1_500], 0, 32, 32)
    found = []
    for parts in (1, 2, 3):  # of 8 rows: the last time they are not equally large
        # One-hot: Keras's own step, which 1 is, hands the gradient of a table of vectors over row by row, and Adam then takes
        # the squares of a row's addends.
        settings = dataclasses.replace(
            SMALL, inputs="one_hot", output_dropout=0.0, parts=parts, epochs=2, compiled=compiled
        )
        found.append(train(Streams(settings), text, text, len(vocabulary), str(tmp_path / str(parts))))
    for other in found[1:]:
        for one, two in zip(found[0].history, other.history, strict=True):
            assert two == pytest.approx(one, rel=1e-3)
        for one, two in zip(found[0].model.get_weights(), other.model.get_weights(), strict=True):
            np.testing.assert_allclose(one, two, atol=2e-3)


def test_references_are_what_their_description_says():
    model = build_window_model(load_task("text-lstm").train, 60)
    assert [type(layer).__name__ for layer in model.layers if type(layer).__name__ != "Identity"] == [
        "InputLayer",
        "OneHot",
        "FusedLSTM",
        "Dense",
    ]
    assert model.count_params() == 4 * 128 * (60 + 128 + 1) + 129 * 60
    data, settings = load_task("text-lstm").data, load_task("text-lstm").train
    assert (data.context, data.length, data.step) == (40, 1, 3)
    assert (settings.optimizer, settings.learning_rate, settings.batch_size, settings.epochs) == (
        "rmsprop",
        0.01,
        128,
        5,
    )
    assert settings.temperatures == (0.2, 0.5, 1.0, 1.2)
    assert (settings.plateau_factor, settings.plateau_patience, settings.smallest_learning_rate) == (0.2, 1, 0.001)
    assert settings.keep == "best_loss"

    model = build_window_model(load_task("text-lstm-dropout").train, 60)
    assert model.count_params() == 4 * 256 * (1 + 256 + 1) + 257 * 60
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.2]
    data, settings = load_task("text-lstm-dropout").data, load_task("text-lstm-dropout").train
    assert (data.context, data.length, data.step, data.lowercase) == (100, 1, 1, True)
    assert (settings.optimizer, settings.batch_size, settings.epochs, settings.sample_length) == ("adam", 128, 20, 100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "rnn"}, "train.cell is 'rnn'; it is one of lstm, gru"),
        ({"units": 0}, "train.units is 0"),
        ({"output_dropout": 1.0}, "train.output_dropout"),
        ({"tie_weights": True}, "train.tie_weights needs"),
        ({"weight_dropout": 0.1, "cell": "gru"}, "train.weight_dropout"),
        ({"plateau_factor": 2.0}, "train.plateau_factor"),
        ({"temperatures": (-1.0,)}, "train.temperatures"),
        ({"window": 0}, "train.window is 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(changes, message):
    with pytest.raises(SettingsError) as error:
        WindowSettings(**changes)
    assert message in str(error.value)
