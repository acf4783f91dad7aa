"""Warm start: what is known of tokens stays known, wherever they stand in a vocabulary that has grown or shrunk."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.fixed_length.models import build_model as build_fixed
from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from components.trainer.language_model.settings import StreamSettings, WindowSettings
from components.trainer.language_model.streams import Streams, initial_states
from components.trainer.language_model.windows import build_window_model
from components.trainer.seq2seq.model import build_model as build_pairs
from components.trainer.seq2seq.network import FIRST_CLASS
from components.trainer.seq2seq.settings import Seq2SeqSettings
from components.trainer.warm_start import COLD_START, WARM_START_NAME, prepare, save_weights
from serving.contract.layout import WEIGHTS_PATH

pytestmark = pytest.mark.model

OLD = ["", "a", "b", "c", "x"]
NEW = ["", "c", "d", "a", "e", "b"]
KNOWN = "abc"
WARM = RecurrentSettings(warm_start=True)


def versions(model, tokens, folder):
    """Leaves a model as a pushed version has it."""
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    save_weights(model, tokens, str(folder))
    return str(folder)


def begin(old, build, vocabularies, tmp_path):
    """Returns a model of other vocabularies that begins where `old` is, and the summary."""
    base = versions(old, [OLD] * len(vocabularies), tmp_path / "version")
    start = prepare(WARM, base, vocabularies, build, str(tmp_path))
    return start.apply(build(*map(len, vocabularies))), json.loads((tmp_path / WARM_START_NAME).read_text())


def indices(tokens, text=KNOWN):
    return np.array([[tokens.index(character) for character in text]])


SMALL = {"units": 6, "warm_start": True}


@pytest.mark.parametrize(
    ("build", "read"),
    [
        (functools.partial(build_fixed, RecurrentSettings(**SMALL), 3, 2), lambda model, tokens: model(tokens)),
        (
            functools.partial(build_fixed, RecurrentSettings(architecture="simple_rnn", **SMALL), 3, 2),
            lambda model, tokens: model(tokens),
        ),
        (
            functools.partial(build_fixed, AttentionSettings(units=16, embedding=8, heads=1), 3, 2),
            lambda model, tokens: model(tokens),
        ),
        (
            lambda size: (
                Streams(StreamSettings(**SMALL)).of_data(OLD if size == len(OLD) else NEW, 1_000).build(size).core
            ),
            lambda model, tokens: model([tf.constant(tokens), *initial_states(model, 1)])[0],
        ),
        (lambda size: build_window_model(WindowSettings(**SMALL), size), lambda model, tokens: model(tokens)),
    ],
)
def test_a_model_of_another_vocabulary_says_the_same_of_the_characters_that_both_know(build, read, tmp_path):
    keras.utils.set_random_seed(3)
    old = build(len(OLD))
    for variable in old.trainable_variables:
        variable.assign_add(keras.random.normal(variable.shape, stddev=0.1))
    new, summary = begin(old, build, [NEW], tmp_path)
    said = [np.asarray(read(model, indices(tokens))) for model, tokens in ((old, OLD), (new, NEW))]
    known = [logits[..., indices(tokens)[0]] for logits, tokens in zip(said, (OLD, NEW), strict=True)]
    # For probabilities, the ratio of two of them.
    if abs(said[0].sum(-1) - 1).max() < 1e-5:
        known = [np.log(values) - np.log(values[..., :1]) for values in known]
    np.testing.assert_allclose(*known, atol=1e-5)
    assert (summary["new"], summary["gone"], summary["reason"]) == ([["d", "e"]], [["x"]], "")
    assert 0.5 < summary["taken"] < 1


def test_a_seq2seq_model_keeps_what_it_knows_of_both_sides(tmp_path):
    settings = Seq2SeqSettings(units=6, embedding=4, layers=1, members=2, dropout=0.0, warm_start=True)
    specials = ["", "", "", ""]
    old_tokens, new_tokens = ([*specials, *tokens[1:]] for tokens in (OLD, NEW))
    build = functools.partial(build_pairs, settings)
    keras.utils.set_random_seed(3)
    old = build(len(old_tokens), len(old_tokens))
    base = versions(old, [old_tokens] * 2, tmp_path / "version")
    start = prepare(settings, base, [new_tokens, old_tokens], build, str(tmp_path))
    new = start.apply(build(len(new_tokens), len(old_tokens)))
    begun = indices(old_tokens)
    said = [model([indices(tokens), begun]).numpy() for model, tokens in ((old, old_tokens), (new, new_tokens))]
    np.testing.assert_allclose(*said, atol=1e-6)
    start = prepare(settings, base, [old_tokens, new_tokens], build, str(tmp_path))
    new = start.apply(build(len(old_tokens), len(new_tokens)))
    said = [
        model([indices(old_tokens), indices(tokens)]).numpy()[..., indices(tokens)[0] - FIRST_CLASS]
        for model, tokens in ((old, old_tokens), (new, new_tokens))
    ]
    np.testing.assert_allclose(*said, atol=1e-6)


def test_where_nothing_can_be_taken_over_the_reason_is_said(tmp_path, caplog):
    build = functools.partial(build_fixed, RecurrentSettings(**SMALL), 3, 2)
    old = build(len(OLD))

    def reason(base, build=build, vocabularies=(OLD,)):
        start = prepare(WARM, base, vocabularies, build, str(tmp_path))
        assert start.weights is None
        assert start.apply(build(*map(len, vocabularies))) is not None
        return start.summary["reason"]

    assert reason(str(tmp_path / "nothing")) == "no version of this model is served yet"
    assert reason(None) == "no version of this model is served yet"
    base = versions(old, [OLD], tmp_path / "version")
    wider = functools.partial(build_fixed, RecurrentSettings(units=7), 3, 2)
    assert "its settings, or the lengths of its data, are others" in reason(base, wider)
    other = functools.partial(build_fixed, AttentionSettings(units=16, embedding=8, heads=1), 3, 2)
    assert "variables, and the new model has" in reason(base, other)
    assert (
        reason(base, lambda source, target: build(source), [OLD, OLD])
        == "the served version is a model of another kind"
    )
    (tmp_path / "version" / WEIGHTS_PATH).unlink()
    assert "no weights to begin from" in reason(base)
    assert "no warm start: " in caplog.text


def test_without_the_setting_nothing_is_looked_at(tmp_path):
    cold = dataclasses.replace(WARM, warm_start=False)
    assert prepare(cold, str(tmp_path), [OLD], lambda *sizes: pytest.fail("built")) is COLD_START
    assert not list(tmp_path.iterdir())
