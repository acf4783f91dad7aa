"""`charseq runs`, `runs show` and `tensorboard`: what they say of real runs."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from pipeline.code_version import code_version, describe_code
from tests.pipeline.conftest import CHARSEQ

pytestmark = pytest.mark.e2e


def test_runs_are_listed_newest_first_with_result_metric_and_version(charseq, place, first_run, refused_run):
    runs = charseq("runs", "--json", "--root", place).json["runs"]
    listed = {run["run_id"]: run for run in runs}
    blessed, refused = (listed[result.json["run_id"]] for result in (first_run, refused_run))
    assert [run["run"] for run in runs] == list(range(len(runs), 0, -1))
    assert (blessed["result"], blessed["pushed_version"]) == ("blessed", first_run.json["pushed_version"])
    assert blessed["metrics"]["exact_match"] == first_run.json["metrics"]["exact_match"]
    assert (refused["result"], refused["pushed_version"]) == ("refused", None)
    assert refused["reasons"] == refused_run.json["reasons"]
    lines = charseq("runs", "--root", place).stdout.splitlines()
    (line,) = (line for line in lines if re.match(rf"{blessed['run']} ", line))
    assert f"exact_match {blessed['metrics']['exact_match']:.4f}  {blessed['pushed_version']}" in line
    assert len(charseq("runs", "--last", "1", "--root", place).stdout.splitlines()) == 2


def test_a_version_can_be_traced_to_its_data_code_settings_and_baseline(charseq, place, first_run, refused_run):
    first, second = (
        charseq("runs", "show", run.json["run_id"], "--json", "--root", place).json for run in (first_run, refused_run)
    )
    assert first["pushed_version"] == first_run.json["pushed_version"]
    assert first["baseline_version"] is None
    assert second["baseline_version"] == first["pushed_version"]
    assert first["code"] == second["code"] == code_version()
    assert first["examples"]["fingerprint"] == second["examples"]["fingerprint"]
    assert re.fullmatch(r"[0-9a-f]{64}", first["examples"]["fingerprint"])
    assert first["examples"]["numbers"]["test"] == first_run.json["metrics"]["examples"]
    assert set(first["examples"]["numbers"]) == {"train", "validation", "test"}
    assert (first["config"]["train"]["epochs"], second["config"]["train"]["epochs"]) == (4, 1)
    assert set(first["components"]) == set(first_run.json["seconds"])
    assert charseq("runs", "show", "sums", "--json", "--root", place).json["task"] == "sums"
    shown = charseq("runs", "show", str(second["run"]), "--root", place).stdout
    assert f"baseline           {first['pushed_version']}" in shown
    assert describe_code(first["code"]) in shown


def test_a_run_that_is_not_there_is_an_error_that_says_which_are(charseq, place, first_run):
    for command in (["runs", "show", "99"], ["report", "99"]):
        result = charseq(*command, "--root", place)
        assert result.status == 2
        assert "there is no run '99': runs have the numbers 1 to" in result.stderr


def test_runs_are_listed_without_tensorflow(place, first_run):
    listing = f"from pipeline.cli import main; main(['runs', '--root', {str(place)!r}], standalone_mode=False)"
    code = f"import sys; {listing}; sys.exit('tensorflow' in sys.modules or 'tfx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_tensorboard_shows_the_logs_of_the_last_runs_together(charseq, place, first_run, refused_run):
    runs = {run["run_id"]: f"{run['run']} sums" for run in charseq("runs", "--json", "--root", place).json["runs"]}
    wanted = {runs[first_run.json["run_id"]], runs[refused_run.json["run_id"]]}
    # All of them: other tests may have made runs in the same place since.
    command = [CHARSEQ, "tensorboard", "--runs", str(len(runs)), "--port", "0", "--root", place]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        address = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in process.stderr)))[0]
        listed = set()
        for _ in range(200):  # it reads the logs after it has begun to answer
            with urllib.request.urlopen(f"{address}data/runs") as answer:
                listed = {name.partition("/")[0] for name in json.load(answer)}
            if wanted <= listed:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(120) == 0
    assert wanted <= listed <= set(runs.values())
