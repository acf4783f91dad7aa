"""The report's words, and that what users bring is never markup."""

import dataclasses
import html
import json
import math
import re
from pathlib import Path

import pytest

from components.evaluator.results import Check, Evaluation, Slice
from components.trainer.pictures import draw_curves, to_svg
from pipeline.families.answers.report import confusions, largest_gap
from pipeline.lineage import ComponentRecord, Output, RunRecord
from pipeline.places import Places
from pipeline.report.page import write_comparison, write_report
from pipeline.report.shown import visible
from pipeline.report.words import describe_bound, describe_check, describe_value, number, probability


def evaluation(*slices):
    parts = [
        Slice(feature, value, examples, {"exact_match": right / examples}) for feature, value, examples, right in slices
    ]
    return Evaluation(True, [], [], parts, None, [], {})


def test_the_largest_gap_is_named_with_its_counts_and_so_is_where_most_mistakes_are():
    said = largest_gap(
        evaluation(
            ("", "", 1000, 950), ("digits", "1+1", 20, 10), ("digits", "2+2", 970, 935), ("digits", "3+3", 10, 0)
        )
    )
    assert said == (
        "The largest gap is at digits 1+1: 10 of 20 right (50.00%), against 950 of 1,000 right (95.00%) of all. "
        "Most mistakes are at digits 2+2: 35 of 50, in 97.0% of the test examples."
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


def test_confusions_are_tables_of_the_positions_that_have_any():
    (table,) = confusions([[0, "7", "7", 90], [0, "7", "1", 3], [0, "", "7", 1], [1, "2", "2", 94]])
    assert (table["position"], table["mistakes"], table["others"]) == (0, 4, 0)
    assert table["characters"] == ["", "1", "7"]
    assert table["rows"] == [[0, 0, 1], [0, 0, 0], [0, 3, 90]]


def test_of_many_characters_those_with_most_mistakes_are_shown():
    counts = [[0, chr(0x4E00 + index), "x", index] for index in range(1, 100)]
    (table,) = confusions(counts)
    assert len(table["characters"]) == 14
    assert table["others"] == 100 - 14
    assert chr(0x4E00 + 99) in table["characters"]


@pytest.mark.parametrize(
    ("log_prob", "said"),
    [(0.0, "100.00%"), (math.log(0.25), "25.00%"), (math.log(1e-6), "1 in 1,000,000"), (-2000.0, "1 in 10^869")],
)
def test_probabilities_are_said_so_that_they_can_be_read(log_prob, said):
    assert probability(log_prob) == said


def test_numbers_and_characters_that_cannot_be_seen():
    assert [number(value) for value in (1234567, 0.98765, 1e-9, None, "x", True)] == [
        "1,234,567",
        "0.9877",
        "1e-09",
        "",
        "x",
        "True",
    ]
    said = [re.sub("<[^>]*>", "", visible(character)) for character in ("", " ", "a", "\u200d", "\u0301")]
    assert said == ["none", "space", "a", "U+200D", "\u25cc\u0301"]


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            Check("bound", "exact_match", "gate.exact_match", 0.98, True, 0.9, False),
            ("exact match on all test examples", "at least 0.9800", "0.9000"),
        ),
        (
            Check("bound", "bits_per_character", "gate.bits_per_character", 2.0, False, 1.5, True),
            ("bits per character on all test examples", "at most 2.0000", "1.5000"),
        ),
        (
            Check("change", "exact_match", "gate.largest_drop", -0.005, True, None, None),
            ("change of exact match against the version being served", "at least -0.0050", "no version was served"),
        ),
        (
            Check("change", "bits_per_character", "gate.largest_rise", 0.02, False, 0.5, False, "more than noise"),
            (
                "change of bits per character against the version being served",
                "at most +0.0200",
                "+0.5000; more than noise",
            ),
        ),
        (
            Check("change", "exact_match", "gate.largest_drop", -0.005, True, None, None, "it has no such figure"),
            ("change of exact match against the version being served", "at least -0.0050", "it has no such figure"),
        ),
        (
            Check("floor", "exact_match", "gate.beat_floor", 0.3, True, 0.4, True, "copying the input"),
            ("exact match on all test examples, against copying the input", "above 0.3000", "0.4000"),
        ),
        (
            Check("floor", "bits_per_character", "gate.beat_floor", 2.3, False, 2.4, False, "the 5-gram model"),
            ("bits per character on all test examples, against the 5-gram model", "below 2.3000", "2.4000"),
        ),
    ],
)
def test_what_the_gate_asks_is_said_in_its_direction(check, said):
    assert (describe_check(check), describe_bound(check), describe_value(check)) == said


def test_pictures_take_the_pages_colours_and_two_on_a_page_have_other_ids():
    history = [{"loss": 1.0, "val_loss": 1.1, "accuracy": 0.5}, {"loss": 0.1, "accuracy": 0.9}]
    one, two = (to_svg(draw_curves({"": history})) for _ in range(2))
    assert "currentColor" in one
    assert "#000000" not in one
    assert "#ffffff" not in one
    assert ">validation</text>" in one
    ids = [set(re.findall(r' id="(p[0-9a-f]{10})"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]


NASTY = '<script>alert("x")</script>&'


def nasty_run(folder, number, family="pairs"):
    """A run of a user's own pairs that look like HTML, refused for a reason that does too."""
    run_dir, evaluation_dir = folder / "model_run", folder / "evaluation"
    for path in (run_dir, evaluation_dir):
        path.mkdir(parents=True)
    (run_dir / "predictions.json").write_text(
        json.dumps([{"expression": NASTY, "answer": NASTY, "predicted": "</li>"}])
    )
    metrics = {"exact_match": 0.5, "character_accuracy": 0.75, "log_prob": -1.0}
    mistakes = {
        "worst": [{"expression": NASTY, "answer": NASTY, "text": "", "log_prob": -3.0}],
        "confusion": [[0, "<", "&", 3], [0, "&", "&", 1]],
    }
    floor = {"name": NASTY, "metrics": metrics}
    check = Check("floor", "exact_match", "gate.beat_floor", 0.5, True, 0.5, False, NASTY)
    results = {"blessed": False, "reasons": [NASTY], "checks": [dataclasses.asdict(check)], "floors": [floor]}
    results |= {"baseline": {"character_accuracy": 0.5}, "mistakes": mistakes}  # served before exact_match was there
    results["slices"] = [{"feature": "", "value": "", "examples": 4, "metrics": metrics}]
    results["slices"] += [{"feature": "length", "value": NASTY, "examples": 4, "metrics": metrics}]
    (evaluation_dir / "results.json").write_text(json.dumps(results))
    components = {
        "Trainer": ComponentRecord("done", 1.0, 2.0, {"model_run": Output(str(run_dir), {})}),
        "Evaluator": ComponentRecord(
            "done",
            3.0,
            1.0,
            {
                "evaluation": Output(str(evaluation_dir), {"metrics": json.dumps(metrics)}),
                "blessing": Output("", {"reasons": json.dumps([NASTY])}),
            },
        ),
    }
    notes = {"config": {"task": "pairs", "family": family, "data": {"pattern": NASTY}}}
    return RunRecord(number, f"run-{number}", "pairs", 0.0, components, notes)


def test_what_users_data_looks_like_is_never_markup(tmp_path):
    runs = [nasty_run(tmp_path / str(number), number) for number in (1, 2)]
    places = Places(str(tmp_path))
    for written in (write_report(runs[0], places), write_comparison(tuple(runs), places)):
        page = Path(written.path).read_text()
        assert "<script" not in page
        assert html.escape(NASTY, quote=False).replace('"', "&#34;") in page
    assert [path.name for path in (tmp_path / "reports" / "pairs").iterdir()] == ["run-1.html"]


def test_a_run_of_a_family_that_is_not_installed_here_has_a_report_too(tmp_path):
    page = Path(write_report(nasty_run(tmp_path / "1", 1, family="elsewhere"), Places(str(tmp_path))).path).read_text()
    assert "exact match on all test examples, against" in page
    assert "<script" not in page


def test_a_run_that_was_killed_at_once_has_a_report_too(tmp_path):
    run = RunRecord(1, "killed", "sums", 0.0, {}, {})
    page = Path(write_report(run, Places(str(tmp_path))).path).read_text()
    assert "it is still running, or it was killed" in page
    assert "not reached" in page
