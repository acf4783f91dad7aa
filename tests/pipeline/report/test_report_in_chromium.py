"""The reports of real runs as a browser shows them: nobody is shut out, and what matters comes first."""

from pathlib import Path

from tests.browser import IN_CHROMIUM
from tests.pipeline.report.pages import check_report

pytestmark = IN_CHROMIUM


def test_a_refused_runs_page_says_why_in_its_first_screen(refused_run):
    reason = refused_run.json["reasons"][0]
    assert "at least 0.9800 is needed" in reason
    check_report(refused_run.json["report"], reason)


def test_a_blessed_runs_page_has_all_its_parts(first_run):
    page = Path(first_run.json["report"]).read_text()
    for part in (
        "Gate",
        "Figures",
        "Right answers by slice",
        "Worst mistakes",
        "Sampled predictions",
        "Learning curves",
        "Model",
        "Data",
        "Components",
        "Settings",
    ):
        assert f">{part}</a>" in page
    check_report(first_run.json["report"], f"Pushed as version {first_run.json['pushed_version']}")


def test_two_runs_beside_each_other(charseq, first_run, refused_run, place):
    names = [run.json["run_id"] for run in (first_run, refused_run)]
    answer = charseq("report", *names, "--json", "--root", place).json
    page = Path(answer["report"]).read_text()
    assert "train.epochs" in page
    assert "The same examples." in page
    check_report(answer["report"], "refused")
