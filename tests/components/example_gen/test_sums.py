"""Generated sums: which there are, how they are split, and that a seed fixes them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen import permutation, sums
from components.example_gen.settings import PairsData, SumsData
from components.example_gen.splits import TEST, TRAIN, VALIDATION
from components.settings import SettingsError, from_json, to_json
from pipeline.config.task_files import load_task

HALF = SumsData(count=9_801, distinct=True, test_fraction=0.5, validation_fraction=0.02)


def test_all_distinct_pairs_of_1_to_99_are_every_pair_once():
    terms = sums.generate_terms(HALF, 0, HALF.count)
    assert len(np.unique(terms, axis=0)) == 9_801
    assert terms.min() == 1
    assert terms.max() == 99


def test_no_more_than_5000_training_examples_for_the_default_task():
    data = load_task("sums").data
    terms = sums.generate_terms(data, 0, data.count)
    assert len(np.unique(terms, axis=0)) == 10_000, "all sums of 1 to 100"
    sides = np.bincount(sums.sides(data, terms), minlength=3)
    assert 4_600 < sides[TRAIN] <= 5_000
    assert 150 < sides[VALIDATION] < 250
    assert 4_900 < sides[TEST] < 5_200


@given(
    terms=st.integers(2, 4),
    largest=st.sampled_from([1, 2, 9, 99, 12_345, 10**9, 10**17]),
    distinct=st.booleans(),
    seed=st.integers(0, 2**64),
    test=st.floats(0.01, 0.5),
    validation=st.floats(0.01, 0.45),
)
def test_a_sum_and_its_reordered_twins_are_on_one_side(terms, largest, distinct, seed, test, validation):
    count = max(3, min(50, largest))
    fractions = {"test_fraction": test, "validation_fraction": validation}
    data = SumsData(terms, largest, count, distinct and largest > 1, seed, **fractions)
    drawn = sums.generate_terms(data, 0, data.count)
    assert ((drawn >= 1) & (drawn <= largest)).all()
    side = sums.sides(data, drawn)
    assert (sums.sides(data, drawn[:, ::-1]) == side).all()
    assert (sums.sides(data, np.roll(drawn, 1, axis=1)) == side).all()
    # Other sums of other runs stay where they are: the side has nothing to do with which sums there are.
    other = dataclasses.replace(data, seed=seed + 1, distinct=False)
    assert (sums.sides(other, drawn) == side).all()
    if data.distinct:
        assert len(np.unique(drawn, axis=0)) == len(drawn)


def test_the_side_of_an_example_does_not_depend_on_the_seed():
    terms = sums.generate_terms(HALF, 0, 1000)
    other = dataclasses.replace(HALF, seed=99)
    assert (sums.sides(HALF, terms) == sums.sides(other, terms)).all()


def test_any_range_of_examples_can_be_made_alone():
    whole = sums.generate_terms(HALF, 0, 100)
    assert (np.concatenate([sums.generate_terms(HALF, 0, 37), sums.generate_terms(HALF, 37, 100)]) == whole).all()


@given(domain=st.integers(1, 3000), seed=st.integers(0, 2**64))
def test_permute_is_a_permutation(domain, seed):
    images = permutation.permute(np.arange(domain, dtype=np.uint64), domain, seed)
    assert (np.sort(images) == np.arange(domain, dtype=np.uint64)).all()


def test_draws_are_uniform():
    counts = np.bincount((permutation.draw(np.arange(100_000, dtype=np.uint64), 3, 0) % np.uint64(10)).astype(int))
    # Chi-square with 9 degrees of freedom: 27.9 is passed once in a thousand seeds.
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.9


@pytest.mark.parametrize(
    ("terms", "carries"),
    [([1, 2], 0), ([5, 5], 1), ([99, 1], 2), ([95, 4], 0), ([99, 99, 99], 2), ([50, 50], 1), ([999, 1], 3)],
)
def test_carries_are_those_of_written_addition(terms, carries):
    assert sums.count_carries(np.array([terms])).tolist() == [carries]


def test_record_batch_has_strings_and_slice_features():
    batch = sums.to_record_batch(np.array([[3, 12], [99, 99]]))
    assert batch.to_pydict() == {
        "expression": [[b"3+12"], [b"99+99"]],
        "answer": [[b"15"], [b"198"]],
        "digits": [[b"2+1"], [b"2+2"]],
        "carries": [[0], [2]],
    }


def test_lengths_hold_the_longest_example():
    assert (HALF.input_length, HALF.output_length) == (5, 3)
    data = SumsData(terms=3, largest=999)
    assert (data.input_length, data.output_length) == (11, 4)


def test_more_distinct_examples_than_there_are_is_an_error_that_says_how_many_there_are():
    with pytest.raises(SettingsError, match=r"10,000 distinct examples.*make only 9,801"):
        SumsData(count=10_000, distinct=True)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"terms": 1}, "data.terms"),
        ({"largest": 0}, "data.largest"),
        ({"largest": 2**62}, "data.largest"),
        ({"count": 2}, "data.count is 2; each of the three splits"),
        ({"test_fraction": 0.0}, "data.test_fraction is 0.0"),
        ({"test_fraction": 1.0}, "data.test_fraction is 1.0"),
        ({"validation_fraction": 0.0}, "data.validation_fraction is 0.0"),
        ({"validation_fraction": float("nan")}, "data.validation_fraction is nan"),
        ({"test_fraction": 0.6, "validation_fraction": 0.4}, "are 1 together; leave something for training"),
        ({"examples_per_shard": 0}, "data.examples_per_shard"),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings, named):
    with pytest.raises(SettingsError, match=named):
        SumsData(**settings)


def test_settings_survive_json():
    assert from_json(SumsData, to_json(HALF)) == HALF
    pairs = PairsData(("a/*.tsv",))
    assert from_json(PairsData, to_json(pairs)) == pairs
