"""`charseq bench`: figures of both sides, from one run."""

import pytest

from pipeline.bench.measure import Figure, rate, to_table


def test_a_rate_is_the_median_of_its_runs_after_a_warm_up(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 12.0, 20.0, 24.0])
    monkeypatch.setattr("pipeline.bench.measure.time.perf_counter", lambda: next(clock))
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
def test_generation_is_measured_beside_the_notebooks_loop(charseq):
    result = charseq("bench", "generate", "--runs", "1", "--json")
    assert result.status == 0, result.stderr
    figures = {figure["name"]: figure["value"] for figure in result.json["figures"]}
    assert len(figures) == 5
    notebook = next(value for name, value in figures.items() if "notebook" in name)
    # Hundreds of times in truth; how many is for a quiet machine to say.
    assert all(value > 10 * notebook for name, value in figures.items() if "gRPC" in name)
    assert result.json["machine"]["cores"] >= 1
