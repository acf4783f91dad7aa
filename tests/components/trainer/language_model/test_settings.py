"""Settings of streams that are found from the length of the text."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.settings import SettingsError
from components.trainer.language_model.settings import StreamSettings, resolve


@given(length=st.integers(2, 10**9))
def test_a_text_of_any_length_is_read_in_whole_batches(length):
    found = resolve(StreamSettings(), length)
    assert found.epochs >= 1
    assert found.batch_size >= 1
    if length > found.segment:
        assert (length - 1) // found.batch_size // found.segment >= 1


def test_the_settings_for_half_a_million_characters_are_those_that_were_measured():
    found = resolve(StreamSettings(), 500_000)
    assert (found.batch_size, found.epochs) == (32, 4)


def test_a_shorter_text_has_smaller_batches_and_a_longer_one_is_read_less_often():
    found = [resolve(StreamSettings(), length) for length in (5_000, 50_000, 500_000, 5_000_000, 50_000_000)]
    assert [settings.batch_size for settings in found] == [4, 8, 32, 32, 32]
    assert [settings.epochs for settings in found] == [4, 4, 4, 2, 1]


def test_what_the_user_sets_is_kept():
    own = StreamSettings(epochs=7, batch_size=3)
    assert resolve(own, 10_000) == own
    assert resolve(dataclasses.replace(own, epochs=0), 10_000).batch_size == 3


@pytest.mark.parametrize(("setting", "value"), [("epochs", -1), ("batch_size", -1), ("learning_rate", 0.0)])
def test_what_cannot_be_is_refused(setting, value):
    with pytest.raises(SettingsError, match=f"train.{setting} is {value}"):
        StreamSettings(**{setting: value})
