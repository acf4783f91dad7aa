"""Sampling: what is drawn follows what the model states, and depends on nothing else in the batch."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.trainer.language_model.sampling import SamplingInputs, keep_likely, sample, uniforms

ROWS = 20_000
LOGITS = np.array([0.3, -1.0, 2.0, 1.1, 0.0, -0.4, 1.9, -3.0], np.float32)


def draw(temperature=1.0, top_k=0, top_p=1.0, logits=LOGITS, rows=ROWS):
    """One character for each of many seeds."""
    inputs = SamplingInputs(
        tf.fill([rows], np.float32(temperature)),
        tf.fill([rows], np.int32(top_k)),
        tf.fill([rows], np.float32(top_p)),
        tf.range(rows, dtype=tf.int64),
    )
    random = uniforms(inputs.seed, tf.zeros([rows], tf.int64), 1)[:, 0]
    return sample(tf.repeat(logits[np.newaxis], rows, axis=0), inputs, random).numpy()


def expected(temperature=1.0, top_k=0, top_p=1.0):
    """The distribution by its definition, a character at a time."""
    scaled = LOGITS.astype(np.float64) / temperature
    order = np.argsort(-scaled)
    allowed = list(order[:top_k] if top_k else order)
    probabilities = {i: np.exp(scaled[i]) / sum(np.exp(scaled[j]) for j in allowed) for i in allowed}
    nucleus, mass = [], 0.0
    for index in allowed:
        if mass >= top_p:
            break
        nucleus.append(index)
        mass += probabilities[index]
    return np.array([probabilities[i] / mass if i in nucleus else 0.0 for i in range(len(LOGITS))])


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 3},
        {"top_p": 0.8},
        {"temperature": 1.5, "top_k": 5, "top_p": 0.9},
        {"top_k": 1},
        {"top_p": 1e-6},
    ],
)
def test_characters_are_drawn_from_the_stated_distribution(how):
    counts = np.bincount(draw(**how), minlength=len(LOGITS))
    probabilities = expected(**how)
    assert not counts[probabilities == 0].any()
    inside = probabilities > 0
    if inside.sum() > 1:
        # Seeds are fixed, so this cannot fail by chance from one day to the next.
        assert scipy.stats.chisquare(counts[inside], ROWS * probabilities[inside]).pvalue > 0.001


def test_temperature_zero_is_the_likeliest_character_whatever_the_seed():
    assert set(draw(temperature=0.0)) == {2}


def test_a_barred_character_is_never_drawn():
    barred = LOGITS.copy()
    barred[2] = -np.inf
    assert 2 not in draw(logits=barred, temperature=5.0)
    assert 2 not in draw(logits=barred, temperature=0.0)


def test_random_numbers_are_uniform_and_uncorrelated_between_seeds_and_places():
    numbers = uniforms(tf.range(200, dtype=tf.int64), tf.zeros([200], tf.int64), 200).numpy()
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    assert scipy.stats.kstest(numbers.ravel(), "uniform").pvalue > 0.001
    for first, second in ((numbers[1:], numbers[:-1]), (numbers[:, 1:], numbers[:, :-1])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    # Diagonals too: seed 1 is not seed 0, a step later.
    assert abs(np.corrcoef(numbers[1:, :-1].ravel(), numbers[:-1, 1:].ravel())[0, 1]) < 0.02


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_text_can_go_on_where_it_stopped(seed, start):
    seeds = tf.constant([seed], tf.int64)
    whole = uniforms(seeds, tf.constant([start], tf.int64), 8).numpy()[0]
    rest = uniforms(seeds, tf.constant([start + 5], tf.int64), 3).numpy()[0]
    assert whole[5:].tolist() == rest.tolist()


@given(
    st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=20),
    st.integers(0, 25),
    st.floats(0.0078125, 1.0, width=32),
)
@example(logits=[9.0, -8.0], top_k=2, top_p=1.0)
@settings(max_examples=100, deadline=None)
def test_what_is_kept_is_likelier_than_what_is_left_out_and_never_nothing(logits, top_k, top_p):
    logits = np.array(logits, np.float32)
    kept = np.isfinite(keep_likely(logits[np.newaxis], tf.constant([top_k]), tf.constant([top_p])).numpy()[0])
    assert kept[logits == logits.max()].any()
    if not kept.all():
        assert logits[kept].min() > logits[~kept].max()
    if top_p == 1 and top_k:
        assert kept.sum() >= min(top_k, len(logits))
