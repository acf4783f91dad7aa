"""Tasks of one family under different names: each is compared with its own predecessor, and one server has them all."""

import itertools
from pathlib import Path

import pytest

from charseq_client import Client
from tests.pipeline.conftest import serving

# Eight runs, in the first test's time.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(4 * 1800)]

TEXTS = {
    "verse": "Tyger Tyger, burning bright,\nIn the forests of the night;\n",
    "greek": "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.\n",
}
PAIRS = {"upper": str.upper, "last-first": lambda word: word[::-1]}
NAMES = [*TEXTS, *PAIRS]

# The second runs begin with other weights: what they must not fall behind is another model.
SMALL = {
    "text": ("train.units=16", "train.epochs=2", "train.batch_size=8"),
    "pairs": ("train.units=16", "train.embedding=8", "train.layers=1", "train.members=1", "train.epochs=3"),
}
LENIENT = {
    "text": ("gate.largest_rise=9", "gate.bits_per_character=20"),
    "pairs": ("gate.largest_drop=1", "test_fraction=0.3"),
}


def write_data(folder, name):
    if name in TEXTS:
        (folder / f"{name}.txt").write_text(TEXTS[name] * 80)
        return "text", f"{name}.txt"
    words = ["".join(letters) for letters in itertools.product("abcdefg", repeat=3)]
    rows = "".join(f"{word},{PAIRS[name](word)}\n" for word in words)
    (folder / f"{name}.csv").write_text("input,target\n" + rows)
    return "pairs", f"{name}.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def runs(charseq, folder):
    """The first runs of all tasks, then the second ones: lists of JSON by task."""
    for name in NAMES:
        family, data = write_data(folder, name)
        settings = [part for text in (*SMALL[family], *LENIENT[family]) for part in ("--set", text)]
        settings += [
            "--set",
            "gate.beat_floor=false",
            "--set",
            "train.compiled=false",
            "--set",
            "train.histograms=false",
        ]
        written = charseq("new", name, "--family", family, "--data", data, *settings, cwd=folder)
        assert written.status == 0, written.stderr
    found = {name: [] for name in NAMES}
    for seed, name in itertools.product((1, 2), NAMES):
        result = charseq("run", f"{name}.toml", "--set", f"train.seed={seed}", "--root", "root", "--json", cwd=folder)
        assert result.status == 0, result.stderr
        found[name].append(result.json)
    return found


def test_each_model_is_compared_with_its_own_predecessor(charseq, runs, folder):
    for name, (first, second) in runs.items():
        figure = "bits_per_character" if name in TEXTS else "error_rate"
        assert first["task"] == second["task"] == name
        assert f"baseline_{figure}" not in first["metrics"]
        assert second["metrics"][f"baseline_{figure}"] == pytest.approx(first["metrics"][figure], abs=1e-4)
        shown = [
            charseq("runs", "show", run["run_id"], "--json", "--root", "root", cwd=folder).json
            for run in (first, second)
        ]
        assert [run["baseline_version"] for run in shown] == [None, first["pushed_version"]]
        assert shown[1]["pushed_version"] == second["pushed_version"] > first["pushed_version"]


def test_the_models_differ_by_their_task_and_by_their_seed(runs):
    figures = [
        run["metrics"][f]
        for r in runs.values()
        for run in r
        for f in ("nats_per_character", "log_prob")
        if f in run["metrics"]
    ]
    assert len(set(figures)) == len(figures) == 2 * len(NAMES)


def test_all_are_in_the_list_of_runs_and_in_reports_of_their_own(charseq, runs, folder):
    listed = charseq("runs", "--json", "--root", "root", cwd=folder).json["runs"]
    assert [run["task"] for run in reversed(listed)] == NAMES * 2
    lines = charseq("runs", "--root", "root", cwd=folder).stdout
    for name, found in runs.items():
        assert lines.count(f"  {name} ") == 2
        for run in found:
            assert str(run["pushed_version"]) in lines
            report = Path(run["report"]).read_text()
            assert name in report
            assert not any(other in report for other in NAMES if other != name)


def test_one_server_answers_for_all(charseq, runs, folder):
    serving_dir = folder / "root" / "serving"
    newest = {name: second["pushed_version"] for name, (_, second) in runs.items()}
    with serving(serving_dir) as address, Client(address) as client:
        listed = charseq("models", "--serving-dir", serving_dir, "--server", address, "--json")
        assert listed.status == 0, listed.stderr
        states = {m["name"]: {v["version"]: v["state"] for v in m["versions"]} for m in listed.json["models"]}
        assert {name: states[name][version] for name, version in newest.items()} == dict.fromkeys(NAMES, "AVAILABLE")
        for name in TEXTS:
            answer = charseq("generate", "--server", address, "--model", name, "--length", "40", "--json")
            assert answer.status == 0, answer.stderr
            assert answer.json["version"] == newest[name]
            assert len(answer.json["text"]) == 40
            assert set(answer.json["text"]) <= set(TEXTS[name])
        for name in PAIRS:
            answer = charseq("predict", "--server", address, "--model", name, "abc", "--json")
            assert answer.status == 0, answer.stderr
            assert answer.json["version"] == newest[name]
            (said,) = client.predict({"text": ["abc"]}, model=name).strings("text")
            assert [prediction["output"] for prediction in answer.json["predictions"]] == [said]
            assert set(said) <= set(PAIRS[name]("abcdefg"))
