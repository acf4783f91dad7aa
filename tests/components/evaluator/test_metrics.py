"""The Evaluator's metrics outside of TFMA: their intervals against known values and a simulation, and what is no figure."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from components.evaluator.metrics import MeanOutput, Ratio, Share, wilson_interval


def compute(metric, rows, parts=1, model_name=""):
    """The metric of outputs that are given row by row, added up in so many parts and merged: its figures by name."""
    sums, derived = metric.computations(model_names=[model_name])
    combiner = sums.combiner
    accumulators = [combiner.create_accumulator() for _ in range(parts)]
    for index, row in enumerate(rows):
        outputs = {name: np.array([value], np.float64) for name, value in row.items()}
        element = SimpleNamespace(get_predictions=lambda model_name, outputs=outputs: outputs)
        accumulators[index % parts] = combiner.add_input(accumulators[index % parts], element)
    merged = combiner.merge_accumulators(accumulators)
    return {key.name: value for key, value in derived.result(combiner.extract_output(merged)).items()}


@given(trials=st.integers(1, 100_000), share=st.floats(0, 1))
def test_a_shares_interval_is_wilsons(trials, share):
    successes = round(share * trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_interval_of_wilsons_paper():
    # E. B. Wilson (1927): of 10 trials 0 succeed; z = 1.96 gives 0 to z² / (10 + z²).
    assert wilson_interval(0, 10) == pytest.approx((0, 1.959964**2 / (10 + 1.959964**2)))
    assert wilson_interval(10, 10) == pytest.approx((10 / (10 + 1.959964**2), 1))


def test_a_share_has_its_interval_and_no_part_of_it_counts_twice():
    rows = [{"right": float(index < 30), "other": 2.0} for index in range(40)]
    expected = (0.75, *wilson_interval(30, 40))
    for parts in (1, 3):
        assert tuple(compute(Share("right"), rows, parts).values()) == pytest.approx(expected)


def test_a_means_interval_is_the_normal_one():
    values = np.random.default_rng(3).normal(-2.0, 0.7, 500)
    found = compute(MeanOutput("log_prob"), [{"log_prob": value} for value in values], parts=4)
    half = 1.959964 * values.std() / math.sqrt(len(values))
    assert found == pytest.approx(
        {"log_prob": values.mean(), "log_prob_low": values.mean() - half, "log_prob_high": values.mean() + half}
    )


def test_an_interval_holds_no_figure_that_cannot_be():
    rows = [{"covered": 1.0, "edits": 0.0, "tokens": 5.0}] * 9 + [{"covered": 0.9, "edits": 1.0, "tokens": 5.0}]
    mean = compute(MeanOutput("covered", least=0.0, most=1.0), rows)
    assert (mean["covered"], mean["covered_high"]) == (pytest.approx(0.99), 1.0)
    rate = compute(Ratio("rate", "edits", "tokens", least=0.0), rows)
    assert (rate["rate"], rate["rate_low"]) == (pytest.approx(0.02), 0.0)


def test_a_ratios_interval_covers_the_true_ratio_19_times_in_20():
    random = np.random.default_rng(5)
    ratio = Ratio("bits", "log_prob", "characters", sign=-1.0, unit="bits")
    truth, covered, drawn = 2.0, 0, 400
    for _ in range(drawn):
        characters = random.integers(1, 200, 120)
        # Long windows vary more; what a window needs for a character depends on the window.
        nats = characters * (truth + random.normal(0, 0.4, 120)) * math.log(2)
        rows = [{"log_prob": -n, "characters": float(c)} for n, c in zip(nats, characters, strict=True)]
        found = compute(ratio, rows)
        assert found["bits"] == pytest.approx(nats.sum() / characters.sum() / math.log(2))
        covered += found["bits_low"] <= truth <= found["bits_high"]
    # Binomial with 400 trials of 0.95: all but one in a thousand lie here. Seeds are fixed, so chance has no say later.
    assert 364 <= covered <= 394


def test_a_perplexity_has_the_interval_of_its_nats():
    rows = [{"log_prob": -1.0 * n, "characters": float(n)} for n in (1, 2, 3)] + [{"log_prob": 0.0, "characters": 2.0}]
    nats = compute(Ratio("x", "log_prob", "characters", sign=-1.0), rows)
    perplexity = compute(Ratio("x", "log_prob", "characters", sign=-1.0, unit="perplexity"), rows)
    assert perplexity == pytest.approx({name: math.exp(value) for name, value in nats.items()})
    assert nats["x_low"] < nats["x"] < nats["x_high"]


@pytest.mark.parametrize(
    ("rows", "figure"),
    [
        ([{"log_prob": -1e6, "characters": 1.0}], math.inf),
        ([{"log_prob": -math.inf, "characters": 1.0}], math.inf),
        ([{"log_prob": math.nan, "characters": 1.0}], math.nan),
        ([{"log_prob": 0.0, "characters": 0.0}], math.nan),
    ],
    ids=["beyond floats", "impossible", "not a number", "no character"],
)
def test_what_is_no_figure_is_said_and_stops_nothing(rows, figure):
    found = compute(Ratio("x", "log_prob", "characters", sign=-1.0, unit="perplexity"), rows)
    assert found["x"] == pytest.approx(figure, nan_ok=True)


@pytest.mark.parametrize("metric", [MeanOutput("exact_match"), Share("exact_match")], ids=["mean", "share"])
def test_a_metric_of_an_output_that_the_model_does_not_give_is_an_error_and_not_zero(metric):
    with pytest.raises(KeyError, match="exact_match"):
        compute(metric, [{"log_prob": -1.0}])
    # A version that was served before this output was there has no such figure.
    assert compute(metric, [{"log_prob": -1.0}], model_name="baseline") == {}
