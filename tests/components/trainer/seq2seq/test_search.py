"""The search beside an exhaustive one, on networks that are unsure of everything."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.seq2seq import inference
from components.trainer.seq2seq.inference import trained_networks
from components.trainer.seq2seq.model import build_model
from components.trainer.seq2seq.search import IMPOSSIBLE, beam, greedy
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.transform.token_pairs import BEGIN, END, FIRST
from tests.components.trainer.seq2seq.conftest import softmax

pytestmark = pytest.mark.model

LIMIT = 4
TOKENS = [FIRST, FIRST + 1, FIRST + 2]
SOURCE = np.array([[4, 5, 6, END], [6, END, 0, 0], [5, 5, END, 0]], np.int32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    settings = resolve(Seq2SeqSettings(units=8, embedding=8, layers=1, members=2), 1)
    model = build_model(settings, 7, FIRST + len(TOKENS))
    for variable in model.trainable_variables:
        variable.assign(variable * 1.5)  # no longer all answers alike
    return model


@pytest.fixture(scope="module")
def asked(model):
    networks = trained_networks(model)
    return networks, networks.encode(tf.constant(SOURCE))


@pytest.fixture(scope="module")
def all_answers(model):
    """Log-probability of each answer of at most LIMIT tokens to each input."""
    answers = [list(a) for n in range(LIMIT + 1) for a in itertools.product(TOKENS, repeat=n)]
    found = []
    for source in SOURCE:
        begun = np.array([[BEGIN, *a, *[0] * (LIMIT - len(a))] for a in answers], np.int32)
        probabilities = softmax(model([np.tile(source, (len(answers), 1)), begun]).numpy()).mean(axis=2)
        found.append(
            {
                tuple(a): sum(np.log(row[step, token - 2]) for step, token in enumerate([*a, END]))
                for a, row in zip(answers, probabilities, strict=True)
            }
        )
    return found


def tokens(said):
    said = said.tolist()
    assert END in said
    assert not any(said[said.index(END) + 1 :])
    return tuple(said[: said.index(END)])


@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_a_wide_beam_finds_what_an_exhaustive_search_finds(asked, all_answers, penalty):
    said, log_probs = beam(*asked, LIMIT, 128, 12, penalty)
    for row, found in enumerate(all_answers):
        ranked = sorted(found, key=lambda answer: -found[answer] / (len(answer) + 1) ** penalty)[:12]
        assert [tokens(answer) for answer in said[row].numpy()] == ranked
        assert log_probs[row].numpy() == pytest.approx([found[answer] for answer in ranked], abs=1e-4)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_what_a_beam_says_has_the_probability_that_it_says(asked, all_answers, width):
    said, log_probs = beam(*asked, LIMIT, width, width, 0.0)
    for row, found in enumerate(all_answers):
        answers = [
            tokens(answer)
            for answer, log_prob in zip(said[row].numpy(), log_probs[row].numpy(), strict=True)
            if log_prob > IMPOSSIBLE
        ]
        assert len(set(answers)) == len(answers) > 0
        given = log_probs[row].numpy()
        assert given[: len(answers)] == pytest.approx([found[answer] for answer in answers], abs=1e-4)
        assert (np.diff(given) <= 0).all()


def test_greedy_takes_the_likeliest_token_and_is_a_beam_of_one(asked, all_answers):
    said, log_probs = greedy(*asked, LIMIT)
    log_prob = tf.reduce_sum(log_probs, axis=1)
    beam_said, beam_log_prob = beam(*asked, LIMIT, 1, 1, 0.0)
    for row, found in enumerate(all_answers):
        answer = tokens(said[row].numpy())
        assert answer == tokens(beam_said[row, 0].numpy())
        assert log_prob[row].numpy() == pytest.approx(found[answer], abs=1e-4)
    assert beam_log_prob[:, 0].numpy() == pytest.approx(log_prob.numpy(), abs=1e-4)


def test_there_are_no_more_answers_than_there_are(asked, all_answers):
    said, log_probs = beam(*asked, 1, 16, 8, 0.0)  # no token, or one of three
    assert (log_probs.numpy()[:, :4] > IMPOSSIBLE).all()
    assert (log_probs.numpy()[:, 4:] == IMPOSSIBLE).all()
    assert not said.numpy()[:, 4:].any()


def test_a_large_vocabulary_has_the_same_answers_without_a_table(asked, model, monkeypatch):
    monkeypatch.setattr(inference, "_MOST_TABLED", 0)
    networks = inference.trained_networks(model)
    assert len(networks.variables) == len(asked[0].variables) + 1  # a kernel and a bias instead of the table
    said, log_probs = greedy(networks, networks.encode(tf.constant(SOURCE)), LIMIT)
    expected_said, expected_log_probs = greedy(*asked, LIMIT)
    assert said.numpy().tolist() == expected_said.numpy().tolist()
    assert log_probs.numpy() == pytest.approx(expected_log_probs.numpy(), abs=1e-5)


def test_no_rows_have_no_answers(model):
    networks = trained_networks(model)
    memory = networks.encode(tf.zeros([0, 3], tf.int32))
    assert greedy(networks, memory, LIMIT)[0].shape[0] == 0
    assert beam(networks, memory, LIMIT, 4, 2, 0.0)[0].shape[0] == 0
