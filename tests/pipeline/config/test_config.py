"""Configuration: overrides by --set, and what they refuse."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.settings import SettingsError
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task

SUMS = load_task("sums")


def test_values_take_the_type_of_their_field():
    config = override(
        SUMS,
        ["train.epochs=5", "train.learning_rate=1e-2", "data.distinct=false", "gate.slices=digits", "data.count=1_000"],
    )
    assert (config.train.epochs, config.train.learning_rate) == (5, 0.01)
    assert (config.data.distinct, config.data.count) == (False, 1000)
    assert config.gate.slices == ("digits",)
    assert override(SUMS, ["gate.slices="]).gate.slices == ()


def test_a_field_that_one_section_has_needs_no_section():
    assert override(SUMS, ["epochs=5"]).train.epochs == 5
    assert override(load_task("text"), ["corpus=texts/*.txt"]).data.corpus == "texts/*.txt"


def test_the_last_of_two_assignments_counts_and_the_original_stays():
    assert override(SUMS, ["train.epochs=5", "train.epochs=6"]).train.epochs == 6
    assert SUMS.train.epochs == 40


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("train.epochs", "is not section.field=value"),
        ("epoch=5", "is not section.field=value, such as train.epochs=5; did you mean 'train.epochs'"),
        ("seed=5", "data.seed and train.seed and tune.seed are several; name one"),
        ("=5", "is not section.field=value"),
        ("trian.epochs=5", "no section 'trian'; did you mean 'train'"),
        ("train.epoch=5", "train has no 'epoch'; did you mean 'epochs'"),
        ("train.epochs=five", "'five' is not a whole number"),
        ("train.epochs=1.5", "'1.5' is not a whole number"),
        ("train.learning_rate=fast", "'fast' is not a number"),
        ("train.learning_rate=nan", "'nan' is not a number"),
        ("train.clip_norm=inf", "'inf' is not a number"),
        ("data.distinct=yes", "'yes' is neither true nor false"),
        ("train.epochs=0", "train.epochs is 0"),
        ("train.architecture=gpt", "train.architecture is 'gpt'; it is one of"),
        ("data.count=100000", "100,000 distinct examples"),
    ],
)
def test_a_wrong_assignment_says_what_is_wrong(assignment, said):
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        override(SUMS, [assignment])


@given(st.text())
def test_any_text_is_an_assignment_or_a_settings_error(text):
    for assignment in (text, f"train.epochs={text}", f"data.{text}=1"):
        with contextlib.suppress(SettingsError):
            override(SUMS, [assignment])
