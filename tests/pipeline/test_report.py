"""The report's words."""

import pytest

from components.evaluator.results import Evaluation, Slice
from pipeline.report import largest_gap


def evaluation(*slices):
    parts = [
        Slice(feature, value, examples, {"exact_match": right / examples}) for feature, value, examples, right in slices
    ]
    return Evaluation(True, [], parts, None)


def test_the_largest_gap_is_named_with_its_counts_and_so_is_where_most_mistakes_are():
    said = largest_gap(
        evaluation(
            ("", "", 1000, 950), ("digits", "1+1", 20, 10), ("digits", "2+2", 970, 935), ("digits", "3+3", 10, 0)
        )
    )
    assert said == (
        "The largest gap is at digits 1+1: 10 of 20 right (50.00%), against 950 of 1,000 right (95.00%) of all. "
        "Most mistakes are at digits 2+2: 35 of 50, in 97.0% of the unseen examples."
    )


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ([("", "", 100, 90)], "no slice large enough"),
        ([("", "", 100, 100), ("digits", "1+1", 50, 50)], "No slice lies below the whole"),
    ],
)
def test_where_there_is_no_gap_it_says_so(slices, said):
    assert said in largest_gap(evaluation(*slices))
