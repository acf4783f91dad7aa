"""The gate, rule by rule: what it refuses, in either direction, and that the reason names figure, bound and setting."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluator.gate import check, reasons
from components.evaluator.results import Evaluation, Floor, Slice
from components.evaluator.settings import GateSettings, TextGateSettings
from components.settings import SettingsError

NAN = math.nan


def judge(gate, value, served=None, floors=()):
    """The checks by kind, and the reasons."""
    name = gate.rule.metric
    baseline = None if served is None else {name: served}
    checks = check(gate.rule, {name: value}, baseline, [Floor(f"floor {x}", {name: x}) for x in floors])
    return {one.kind: one for one in checks}, reasons(checks)


@pytest.mark.parametrize(
    ("gate", "value", "served", "passed"),
    [
        # Shares: more is better.
        (GateSettings(exact_match=0.9), 0.9, None, True),
        (GateSettings(exact_match=0.9), 0.8999, None, False),
        (GateSettings(), 0.0, None, True),
        (GateSettings(largest_drop=0.005), 0.985, 0.99, True),  # 0.985 - 0.99 is less than -0.005, by a rounding
        (GateSettings(largest_drop=0.005), 0.9849, 0.99, False),
        (GateSettings(largest_drop=0.005), 1.0, 0.2, True),
        (GateSettings(largest_drop=0.0), 0.5, 0.5, True),
        (GateSettings(largest_drop=0.0), 0.4999, 0.5, False),
        # Bits: fewer are better.
        (TextGateSettings(bits_per_character=2.0), 2.0, None, True),
        (TextGateSettings(bits_per_character=2.0), 2.0001, None, False),
        (TextGateSettings(), 99.0, None, True),
        (TextGateSettings(largest_rise=0.02), 1.52, 1.5, True),
        (TextGateSettings(largest_rise=0.02), 1.5201, 1.5, False),
        (TextGateSettings(largest_rise=0.02), 1.0, 1.5, True),
        (TextGateSettings(largest_rise=0.0), 1.5, 1.5, True),
        (TextGateSettings(largest_rise=0.0), 1.5001, 1.5, False),
        # What could not be computed is no good model; what is served and could not be computed is no bound.
        (GateSettings(), NAN, None, False),
        (GateSettings(exact_match=0.5), NAN, None, False),
        (TextGateSettings(), NAN, None, False),
        (TextGateSettings(), math.inf, None, False),
        (TextGateSettings(), NAN, 1.5, False),
        (TextGateSettings(bits_per_character=2.0), 1.9, NAN, True),
        (TextGateSettings(bits_per_character=2.0), 1.9, math.inf, True),
    ],
)
def test_a_model_passes_or_is_refused(gate, value, served, passed):
    _, why = judge(gate, value, served)
    assert (not why) == passed
    if not math.isfinite(value):
        assert why == [f"{gate.rule.metric} on all test examples could not be computed"]


@pytest.mark.parametrize(
    ("gate", "value", "floors", "passed"),
    [
        (GateSettings(), 0.31, (0.3, 0.1), True),
        (GateSettings(), 0.3, (0.1, 0.3), False),  # as good as the floor is not better
        (GateSettings(), 0.2, (0.1, 0.3), False),
        (GateSettings(beat_floor=False), 0.2, (0.1, 0.3), True),
        (TextGateSettings(), 1.9, (2.0,), True),
        (TextGateSettings(), 2.0, (2.0,), False),
        (TextGateSettings(), 2.1, (2.0, 3.0), False),
        (TextGateSettings(beat_floor=False), 2.1, (2.0,), True),
        (TextGateSettings(), NAN, (2.0,), False),
    ],
)
def test_every_floor_must_be_beaten_unless_the_task_says_otherwise(gate, value, floors, passed):
    _, why = judge(gate, value, floors=floors)
    assert (not why) == passed


@given(
    lower=st.booleans(),
    value=st.floats(0, 1),
    served=st.floats(0, 1),
    allowed=st.floats(0, 1),
    bound=st.floats(0.01, 1),
    floor=st.floats(0, 1),
)
def test_a_model_passes_if_and_only_if_it_keeps_to_every_bound(lower, value, served, allowed, bound, floor):
    if lower:
        gate = TextGateSettings(bits_per_character=bound, largest_rise=allowed)
        worse = value - served
        expected = {"bound": value <= bound, "floor": value < floor}
    else:
        gate = GateSettings(exact_match=bound, largest_drop=allowed)
        worse = served - value
        expected = {"bound": value >= bound, "floor": value > floor}
    checks, why = judge(gate, value, served, [floor])
    assert {kind: checks[kind].passed for kind in expected} == expected
    if abs(worse - allowed) > 1e-9:
        assert checks["change"].passed == (worse < allowed)
    assert len(why) == [one.passed for one in checks.values()].count(False)


def test_reasons_name_the_figure_the_bound_and_the_setting():
    _, why = judge(GateSettings(exact_match=0.98, largest_drop=0.01), 0.5, 0.75, (0.6,))
    assert why == [
        "exact_match on all test examples is 0.5000; at least 0.9800 is needed (gate.exact_match)",
        "exact_match on all test examples lies 0.2500 below that of the version being served; at most 0.0100 is allowed "
        "(gate.largest_drop)",
        "exact_match on all test examples is 0.5000, and floor 0.6 has 0.6000; a model must be above that (gate.beat_floor)",
    ]
    _, why = judge(TextGateSettings(bits_per_character=1.5, largest_rise=0.25), 2.5, 2.0, (2.25,))
    assert why == [
        "bits_per_character on all test examples is 2.5000; at most 1.5000 is needed (gate.bits_per_character)",
        "bits_per_character on all test examples lies 0.5000 above that of the version being served; at most 0.2500 is "
        "allowed (gate.largest_rise)",
        "bits_per_character on all test examples is 2.5000, and floor 2.25 has 2.2500; a model must be below that "
        "(gate.beat_floor)",
    ]


@pytest.mark.parametrize(
    ("value", "said"), [(0.75, "within the noise of 0.1386"), (0.5, "more than the noise of 0.1386")]
)
def test_a_difference_comes_with_its_noise(value, said):
    def figures(middle):
        # A standard error of 0.05, as its 95% interval.
        half = 1.959964 * 0.05
        return {"exact_match": middle, "exact_match_low": middle - half, "exact_match_high": middle + half}

    checks = check(GateSettings(largest_drop=0.0).rule, figures(value), figures(0.85), [])
    (change,) = checks
    # The difference of two such figures has a standard error of 0.05 sqrt(2), and its interval reaches 1.96 times that far.
    assert change.note == f"the difference is {said}"
    assert reasons(checks)[0].endswith(f"(gate.largest_drop); the difference is {said}")


def test_a_figure_without_an_interval_has_no_noise_and_what_is_served_without_the_figure_is_said():
    checks, _ = judge(GateSettings(), 0.5, 0.4)
    assert checks["change"].note == ""
    checks, why = judge(GateSettings(), 0.5, NAN)
    assert (checks["change"].value, checks["change"].passed) == (None, None)
    assert checks["change"].note == "the version being served has no such figure"
    assert why == []


def test_no_bound_is_no_check():
    assert list(judge(GateSettings(exact_match=0), 0.5)[0]) == ["change"]
    assert list(judge(TextGateSettings(bits_per_character=0), 5.0)[0]) == ["change"]


@pytest.mark.parametrize("beat_floor", [True, False])
@pytest.mark.parametrize(
    ("gate", "hardest"), [(GateSettings, "floor 0.4"), (TextGateSettings, "floor 0.1")], ids=["shares", "bits"]
)
def test_the_floor_that_is_named_is_the_hardest_to_beat(gate, hardest, beat_floor):
    rule = gate(beat_floor=beat_floor).rule
    floors = [Floor(f"floor {x}", {rule.metric: x}) for x in (0.2, 0.4, 0.1)]
    metrics = {rule.metric: 0.3}
    checks = check(rule, metrics, None, floors)
    evaluation = Evaluation(True, [], checks, [Slice("", "", 1, metrics)], None, floors, {})
    assert evaluation.highest_floor.name == hardest


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (lambda: TextGateSettings(bits_per_character=-1), "gate.bits_per_character is -1; it must not be negative"),
        (lambda: TextGateSettings(largest_rise=-1), "gate.largest_rise is -1; it must not be negative"),
        (lambda: GateSettings(exact_match=1.5), "gate.exact_match is 1.5; it is a share from 0 to 1"),
        (lambda: GateSettings(largest_drop=-1), "gate.largest_drop is -1; it is a share from 0 to 1"),
        (lambda: GateSettings(exact_match=NAN), "gate.exact_match is nan; it is a share from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, said):
    with pytest.raises(SettingsError) as error:
        settings()
    assert str(error.value) == said


@pytest.mark.parametrize(("gate", "worst"), [(GateSettings(), -math.inf), (TextGateSettings(), math.inf)])
def test_a_figure_that_could_not_be_computed_is_held_against_the_worst_bound(gate, worst):
    checks, _ = judge(gate, NAN)
    assert checks["bound"].bound == worst


def test_nothing_is_said_of_noise_where_there_is_nothing_to_compare_with():
    (change,) = check(GateSettings().rule, {"exact_match": 0.5}, None, [])
    assert change.note == ""


def test_equal_figures_without_an_interval_are_within_the_noise():
    figures = {"exact_match": 0.5, "exact_match_low": 0.5, "exact_match_high": 0.5}
    (change,) = check(GateSettings().rule, figures, figures, [])
    assert change.note == "the difference is within the noise of 0.0000"
