"""What training sees: every character, in an order that does not depend on where a training was interrupted."""

import dataclasses

import numpy as np
import pytest

from components.trainer.language_model.streams import Streams
from components.trainer.language_model.token_text import TokenText
from components.trainer.language_model.windows import Windows
from tests.components.trainer.language_model.conftest import SMALL, WINDOW, WINDOWS, to_windows

TOKENS = np.arange(1_000, dtype=np.uint16)


STREAMS = Streams(SMALL)
WINDOWED = Windows(WINDOWS)


def take(approach, text, count, start_epoch=0, at_a_time=1):
    data = approach.fit_data(text, text).batches(start_epoch, at_a_time)
    return list(data.take(count).as_numpy_iterator())


def steps_of(approach, text):
    return approach.fit_data(text, text).steps


def test_every_window_once_an_epoch_with_the_characters_before_it():
    text = to_windows(TOKENS, WINDOW, 1, 3)
    steps = steps_of(WINDOWED, text)
    epoch = take(WINDOWED, text, steps)
    targets = np.concatenate([target for _, target in epoch])
    assert sorted(targets) == list(range(WINDOW, len(TOKENS), 3))
    for tokens, target in epoch:
        assert (tokens == target[:, np.newaxis] - np.arange(WINDOW, 0, -1)).all()


def test_an_element_of_several_batches_has_their_windows_in_their_order():
    text = to_windows(TOKENS, WINDOW, 1, 3)
    steps = steps_of(WINDOWED, text)
    one_by_one, all_at_once = take(WINDOWED, text, 2 * steps), take(WINDOWED, text, 2, at_a_time=steps)
    for column in range(2):
        np.testing.assert_array_equal(*(np.concatenate([e[column] for e in es]) for es in (one_by_one, all_at_once)))


def test_segments_follow_each_other_in_their_rows_and_start_from_nothing_once_an_epoch():
    text = to_windows(TOKENS, 0, 50, 50)
    steps = steps_of(STREAMS, text)
    epochs = take(STREAMS, text, 2 * steps)
    for epoch in (epochs[:steps], epochs[steps:]):
        assert [set(kept.ravel()) for (_, kept), _ in epoch] == [{0.0}] + [{1.0}] * (steps - 1)
        rows = np.concatenate([tokens for (tokens, _), _ in epoch], axis=1)
        assert (np.diff(rows, axis=1) == 1).all()
        targets = np.concatenate([target for _, target in epoch], axis=1)
        assert (targets == rows + 1).all()
        assert len(np.unique(targets)) == targets.size >= len(TOKENS) - SMALL.batch_size * SMALL.segment


def test_without_carried_state_segments_come_in_another_order_every_epoch():
    approach = Streams(dataclasses.replace(SMALL, carry_state=False))
    text = to_windows(TOKENS, 0, 50, 50)
    steps = steps_of(approach, text)
    first, second = (
        np.concatenate([tokens[:, 0] for tokens, _ in epoch]).tolist()
        for epoch in (take(approach, text, steps), take(approach, text, steps, start_epoch=1))
    )
    assert first != sorted(first)
    assert np.argsort(first).tolist() != np.argsort(second).tolist()


@pytest.mark.parametrize(("approach", "window"), [(STREAMS, 0), (WINDOWED, WINDOW)])
def test_going_on_with_an_epoch_sees_what_an_uninterrupted_training_would(approach, window):
    text = to_windows(TOKENS, window, 1 if window else 50, 3 if window else 50)
    steps = steps_of(approach, text)
    later = take(approach, text, 2 * steps)[steps:]
    for one, other in zip(later, take(approach, text, steps, start_epoch=1), strict=True):
        np.testing.assert_array_equal(one[1], other[1])


def test_validation_predicts_every_character_once_but_the_first():
    starts = np.arange(0, len(TOKENS), 64)
    text = TokenText(TOKENS, np.maximum(starts - 20, 0), starts, np.minimum(starts + 64, len(TOKENS)))
    predicted = []
    for tokens, targets, weights in STREAMS.fit_data(text, text).validation.as_numpy_iterator():
        assert (targets[weights > 0] == tokens[weights > 0] + 1).all()
        predicted += targets[weights > 0].tolist()
    assert sorted(predicted) == list(range(1, len(TOKENS)))


def test_validation_of_windows_predicts_every_character_that_has_a_window_before_it():
    starts = np.arange(0, len(TOKENS), 64)
    text = TokenText(TOKENS, np.maximum(starts - WINDOW, 0), starts, np.minimum(starts + 64, len(TOKENS)))
    predicted = []
    for tokens, targets, weights in WINDOWED.fit_data(text, text).validation.as_numpy_iterator():
        kept = weights > 0
        assert (tokens[kept] == targets[kept, np.newaxis] - np.arange(WINDOW, 0, -1)).all()
        predicted += targets[kept].tolist()
    assert sorted(predicted) == list(range(WINDOW, len(TOKENS)))


def test_too_little_text_for_a_batch_is_an_error_that_says_what_to_change():
    with pytest.raises(ValueError, match=r"lower train\.batch_size or train\.segment"):
        steps_of(STREAMS, to_windows(TOKENS[:100], 0, 10, 10))
