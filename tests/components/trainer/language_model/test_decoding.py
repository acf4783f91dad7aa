"""A model read character by character says what it says when it is run as it was trained."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.language_model.decoding import generate, read
from components.trainer.language_model.sampling import SamplingInputs
from components.trainer.language_model.streams import Streams, build_stream_model, initial_states
from components.trainer.language_model.windows import Windows, build_window_model
from tests.components.trainer.language_model.conftest import SMALL, WINDOW, WINDOWS

pytestmark = pytest.mark.model

CHARACTERS = 9


@pytest.fixture
def texts():
    return np.random.default_rng(5).integers(0, CHARACTERS, [3, 30]).astype(np.int32)


def read_all(characters, texts, lengths=None):
    rows, length = texts.shape
    lengths = tf.constant(lengths if lengths is not None else [length] * rows)
    log_prob, state = read(characters, characters.initial_state(rows), tf.constant(texts), lengths)
    return log_prob.numpy(), state


def first():
    return np.arange(1, CHARACTERS + 1) / sum(range(1, CHARACTERS + 1))


def chosen(logits, texts):
    return np.take_along_axis(tf.nn.log_softmax(logits).numpy(), texts[..., np.newaxis], -1)[..., 0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": 2},
        {"cell": "gru"},
        {"tie_weights": True, "embedding": 32},
        {"inputs": "one_hot"},
        {"ngrams": 1},
        {"inputs": "scaled", "layers": 2, "cell": "gru"},
    ],
)
def test_every_position(changes, texts):
    settings = dataclasses.replace(SMALL, **changes)
    model = build_stream_model(settings, CHARACTERS)
    log_prob, _ = read_all(Streams(settings).character_model(model, first()), texts)
    logits = model([tf.constant(texts), *initial_states(model, 3)])[0]
    np.testing.assert_allclose(log_prob[:, 1:], chosen(logits[:, :-1], texts[:, 1:]), atol=1e-5)
    np.testing.assert_allclose(log_prob[:, 0], np.log(first())[texts[:, 0]], rtol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"layers": 2}, {"inputs": "scaled"}, {"cell": "gru"}])
def test_windows_that_are_run_together_are_those_that_are_run_one_by_one(changes, texts):
    settings = dataclasses.replace(WINDOWS, **changes)
    model = build_window_model(settings, CHARACTERS)
    log_prob, _ = read_all(Windows(settings).character_model(model, first()), texts)
    for place in range(1, texts.shape[1]):
        window = texts[:, max(place - WINDOW, 0) : place]
        np.testing.assert_allclose(log_prob[:, place], chosen(model(window), texts[:, place]), atol=1e-5)


@pytest.mark.parametrize("approach", [Streams(SMALL), Windows(WINDOWS)])
def test_rows_of_different_lengths_do_not_disturb_each_other(approach, texts):
    characters = approach.character_model(approach.core(approach.build(CHARACTERS)), first())
    lengths = [30, 0, 12]
    log_prob, state = read_all(characters, texts, lengths)
    for row, length in enumerate(lengths):
        alone, state_alone = read_all(characters, texts[row : row + 1, :length])
        np.testing.assert_allclose(log_prob[row, :length], alone[0], atol=1e-5)
        assert not log_prob[row, length:].any()
        for part, part_alone in zip(state, state_alone, strict=True):
            np.testing.assert_allclose(part[row], part_alone[0], atol=1e-5)


def test_a_text_written_in_two_parts_is_the_text_written_at_once():
    characters = Streams(SMALL).character_model(build_stream_model(SMALL, CHARACTERS), first())
    how = SamplingInputs(*(tf.constant([v]) for v in (0.9, 4, 0.95)), tf.constant([11], tf.int64))
    barred = tf.zeros([CHARACTERS])

    def write(state, length, drawn):
        return generate(characters, state, tf.constant([length]), how, tf.constant([drawn], tf.int64), barred)

    whole, _ = write(characters.initial_state(1), 20, 0)
    start, state = write(characters.initial_state(1), 7, 0)
    rest, _ = write(state, 13, 7)
    assert whole.numpy()[0].tolist() == [*start.numpy()[0], *rest.numpy()[0]]
