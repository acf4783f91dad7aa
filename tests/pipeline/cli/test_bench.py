"""`charseq bench`: figures of both sides, from one run."""

import dataclasses
import json
import os
import re
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.measuring.figures import Figure, compare, machine, rate, to_table
from benchmarks.measuring.page import SUBJECTS, write_page
from benchmarks.measuring.processes import run_measured
from benchmarks.peers.processes import peer_process, peer_python
from pipeline.cli import main

FIGURES = Path(__file__).parents[3] / "benchmarks" / "figures"


def test_a_rate_is_the_median_of_its_runs_after_a_warm_up(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 12.0, 20.0, 24.0])
    monkeypatch.setattr("benchmarks.measuring.figures.time.perf_counter", lambda: next(clock))
    done = []

    def work():
        done.append(1)
        return 8.0

    figure = rate("ours", "characters/s", work, runs=3)
    assert (figure.runs, figure.value) == ([8.0, 4.0, 2.0], 4.0)
    assert len(done) == 4


def test_a_table_says_what_is_missing_and_why():
    table = to_table([Figure("ours", 12_345.6, "characters/s"), Figure("a peer", None, "", note="not installed")])
    assert table.splitlines()[0].split() == ["ours", "12,345.6", "characters/s"]
    assert table.splitlines()[1].split() == ["a", "peer", "not", "installed"]


@pytest.mark.e2e
@pytest.mark.slow
def test_generation_is_measured_beside_the_notebooks_loop(charseq):
    result = charseq("bench", "generate", "--runs", "1", "--json")
    assert result.status == 0, result.stderr
    figures = {figure["name"]: figure["value"] for figure in result.json["figures"]}
    assert len(figures) == (9 if peer_python("train") else 8)
    notebook = next(value for name, value in figures.items() if "notebook" in name)
    # Hundreds of times in truth; how many is for a quiet machine to say.
    assert all(value > 10 * notebook for name, value in figures.items() if "gRPC" in name)
    assert result.json["machine"]["cores"] >= 1


@pytest.fixture
def measured(monkeypatch):
    """`charseq bench generate` with a measurement that takes no time: runs it with arguments."""
    import benchmarks

    monkeypatch.setattr(sys, "path", list(sys.path))  # the command adds to both
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    module = types.ModuleType("benchmarks.generate")
    module.measure = lambda runs: [Figure("ours", 1_234.0, "characters/s", [1.0] * runs)]
    monkeypatch.setitem(sys.modules, "benchmarks.generate", module)
    monkeypatch.setattr(benchmarks, "generate", module, raising=False)
    return lambda *arguments: CliRunner().invoke(main, ["bench", "generate", *arguments])


def test_the_command_prints_a_table_or_one_object(measured):
    assert measured().stdout.split() == ["ours", "1,234.0", "characters/s"]
    found = json.loads(measured("--runs", "3", "--json").stdout)
    assert found["machine"]["cores"] >= 1
    assert found["figures"][0]["runs"] == [1.0] * 3


def test_where_there_are_no_benchmarks_it_says_where_they_are(measured, monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.cli.bench._CHECKOUT", tmp_path)
    result = measured()
    assert result.exit_code == 2
    assert "benchmarks/" in result.stderr


def test_sides_are_measured_alternately_and_compared_with_ours():
    done = []
    rates = {"ours": iter([1.0, 30.0, 60.0, 50.0]), "a peer": iter([1.0, 10.0, 30.0, 20.0])}

    def side(name):
        def measured():
            done.append(name)
            return next(rates[name])

        return measured

    sides = {name: side(name) for name in rates}
    ours, peer, other = compare("a model", sides, "examples/s", 3, {"another": "not installed"})
    assert done == ["ours", "a peer"] * 4
    assert (ours.name, ours.value, ours.runs) == ("a model: ours", 50.0, [30.0, 60.0, 50.0])
    assert (peer.value, peer.note) == (20.0, "ours is 2.50 times this")
    assert (other.value, other.note) == (None, "not installed")


@pytest.mark.e2e
def test_a_process_is_measured_with_those_that_it_starts():
    child = "import time; held = bytearray(b'x' * 150_000_000); time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('{{\"a\": 1}}')"
    measured = run_measured(["-c", code])
    assert measured.found == {"a": 1}
    assert measured.seconds >= 1
    assert measured.peak_mb > 150


@pytest.mark.e2e
def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="no such thing"):
        run_measured(["-c", "raise ValueError('no such thing')"])


def test_a_peer_that_is_not_installed_is_known():
    assert peer_python("nothing") is None


@pytest.mark.e2e
def test_a_peer_does_its_work_again_and_again(tmp_path):
    script = tmp_path / "peer.py"
    script.write_text("import json, sys\nfor _ in sys.stdin: print(json.loads(sys.argv[1])['amount'], flush=True)")
    with peer_process(Path(sys.executable), str(script), {"amount": 3}) as work:
        assert [work(), work()] == [3.0, 3.0]


def test_the_page_has_every_subjects_figures(tmp_path):
    found = {"machine": machine(), "figures": [dataclasses.asdict(Figure("a | b", 1_234.5, "s", [], "so much"))]}
    for subject in SUBJECTS:
        (tmp_path / f"{subject}.json").write_text(json.dumps(found))
    write_page(tmp_path, tmp_path / "performance.md")
    page = (tmp_path / "performance.md").read_text()
    assert page.count("| a \\| b | 1,234 s | so much |") == len(SUBJECTS)
    assert page.count(f"on {machine()['cores']} cores of {machine()['processor']}") == len(SUBJECTS)


def test_the_page_of_the_documentation_is_made_from_the_figures_that_are_kept(tmp_path):
    write_page(FIGURES, tmp_path / "performance.md")
    assert (tmp_path / "performance.md").read_text() == (FIGURES.parents[1] / "docs" / "performance.md").read_text()


def test_a_ratio_of_the_page_is_that_of_two_figures_of_it():
    for path in FIGURES.glob("*.json"):
        figures = {figure["name"]: figure for figure in json.loads(path.read_text())["figures"]}
        for name, figure in figures.items():
            if found := re.search(r"ours is ([\d.]+) times this", figure["note"]):
                subject, side = name.split(": ", 1)
                sides = f"charseq, beside {side.rsplit(' ', 1)[0]}", "charseq", "ours, over gRPC", "ours"
                ours = next(figures[f"{subject}: {name}"] for name in sides if f"{subject}: {name}" in figures)
                assert float(found[1]) == pytest.approx(ours["value"] / figure["value"], abs=0.006), name


def test_the_page_says_what_has_not_been_measured(tmp_path):
    with pytest.raises(FileNotFoundError, match="has no figures"):
        write_page(tmp_path, tmp_path / "performance.md")
    (tmp_path / "serve.json").write_text(json.dumps({"machine": machine(), "figures": []}))
    write_page(tmp_path, tmp_path / "performance.md")
    assert (tmp_path / "performance.md").read_text().count("not measured yet") == len(SUBJECTS) - 1


@pytest.mark.e2e
@pytest.mark.slow
def test_training_is_measured_beside_the_notebooks(charseq):
    result = charseq("bench", "train", "--runs", "1", "--json")
    assert result.status == 0, result.stderr
    figures = {figure["name"]: figure["value"] for figure in result.json["figures"]}
    sides = ("ours", "matrix products alone")
    assert all(figures[f"{task}: {side}"] > 0 for task in ("sums-lstm", "text-lstm", "text") for side in sides)


@pytest.mark.e2e
@pytest.mark.slow
def test_the_model_of_pairs_is_trained_and_asked(charseq):
    result = charseq("bench", "seq2seq", "--runs", "1", "--json")
    assert result.status == 0, result.stderr
    figures = {figure["name"]: figure["value"] for figure in result.json["figures"]}
    subjects = {
        name: subject for name in figures for subject, _, side in [name.partition(": ")] if side.startswith("ours")
    }
    assert list(subjects.values()) == ["training", "1 caller", "64 callers"]
    assert all(figures[name] > 0 for name in subjects)
    # Callers who share batches: many times as many answers in truth; how many is for a quiet machine to say.
    alone, together = (figures[f"{callers}: ours, over gRPC"] for callers in ("1 caller", "64 callers"))
    assert together > 2 * alone


@pytest.mark.e2e
@pytest.mark.slow
def test_data_is_measured_beside_tfxs_own(charseq):
    result = charseq("bench", "data", "--sums", "2000", "--runs", "1", "--json")
    assert result.status == 0, result.stderr
    figures = {figure["name"]: figure["value"] for figure in result.json["figures"]}
    sides = ("ours", "a stock row-at-a-time executor", "CsvExampleGen")
    assert all(figures[f"2,000 sums: {side}: ExampleGen and Transform"] > 0 for side in sides)
    assert all(figures[f"2,000 sums: {side}: peak memory"] > 100 for side in sides)


@pytest.mark.e2e
@pytest.mark.slow
def test_a_whole_run_is_split_by_component(charseq):
    result = charseq("bench", "pipeline", "--runs", "1", "--no-notebook", "--json")
    assert result.status == 0, result.stderr
    figures = {figure["name"].strip(): figure["value"] for figure in result.json["figures"]}
    assert figures["everything but the training"] < figures["the whole run"]
    assert {"SumsExampleGen", "Transform", "Evaluator", "Pusher"} <= set(figures)
