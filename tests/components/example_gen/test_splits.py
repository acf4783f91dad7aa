"""The splits: their shares, and that the test examples stay where they are whatever else is set."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen.splits import SPLITS, TEST, TRAIN, VALIDATION, SplitData, sides
from components.settings import SettingsError

FRACTIONS = {"test": st.floats(1e-6, 0.6), "validation": st.floats(1e-6, 0.39)}
PLACES = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50).map(np.array)


def test_an_index_is_that_of_the_splits_name():
    assert [SPLITS[side] for side in (TRAIN, VALIDATION, TEST)] == ["train", "validation", "test"]


@given(**FRACTIONS, other=st.floats(1e-6, 0.39), places=PLACES)
def test_the_test_side_does_not_change_with_the_validation_fraction(test, validation, other, places):
    data = SplitData(test_fraction=test, validation_fraction=validation)
    found, changed = (sides(d, places) for d in (data, dataclasses.replace(data, validation_fraction=other)))
    assert ((found == TEST) == (changed == TEST)).all()
    # With more validation, nothing that was validated on is trained on.
    more, less = (found, changed) if validation >= other else (changed, found)
    assert (more[less == VALIDATION] == VALIDATION).all()


@given(**FRACTIONS)
def test_fractions_are_met(test, validation):
    places = (np.arange(10_000) + 0.5) / 10_000
    found = sides(SplitData(test_fraction=test, validation_fraction=validation), places)
    assert found.dtype == np.uint8
    shares = np.bincount(found, minlength=3) / len(places)
    expected = {TRAIN: 1 - test - validation, VALIDATION: validation, TEST: test}
    for side, share in expected.items():
        assert shares[side] == pytest.approx(share, abs=2e-4)


@given(**FRACTIONS, place=st.floats(0, 1))
def test_a_side_is_that_of_the_place_alone(test, validation, place):
    data = SplitData(test_fraction=test, validation_fraction=validation)
    (alone,) = sides(data, np.array([place]))
    assert sides(data, np.array([0.999, place, 0.0, place])).tolist() == [TRAIN, alone, TEST, alone]
    assert alone == (TEST if place < test else VALIDATION if place < test + validation else TRAIN)


@pytest.mark.parametrize(
    ("fractions", "said"),
    [
        ({"test_fraction": 0.0}, "data.test_fraction is 0.0; it must lie between 0 and 1"),
        ({"validation_fraction": 1.0}, "data.validation_fraction is 1.0; it must lie between 0 and 1"),
        ({"test_fraction": float("nan")}, "data.test_fraction is nan; it must lie between 0 and 1"),
        (
            {"test_fraction": 0.5, "validation_fraction": 0.6},
            "data.test_fraction and data.validation_fraction are 1.1 together; leave something for training",
        ),
        (
            {"test_fraction": 0.5, "validation_fraction": 0.5},
            "data.test_fraction and data.validation_fraction are 1 together; leave something for training",
        ),
    ],
)
def test_shares_that_cannot_be_are_refused(fractions, said):
    with pytest.raises(SettingsError) as error:
        SplitData(**fractions)
    assert str(error.value) == said
