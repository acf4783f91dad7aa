"""The load test against the real server and against the echo that it is held against."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving.load_test import run_load, text_request
from tests.serving.conftest import Push
from tests.serving.processes import ROOT, running_server


def test_it_measures_and_says_what_failed(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    with running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}") as server:
        command = [sys.executable, "-m", "serving.load_test", server.target, "--model", "shout", "--text", "ab"]
        command += ["--callers", "4", "--seconds", "0.5"]
        ended = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True)
        (result,) = json.loads(ended.stdout)["results"]
        assert result["errors"] == {}
        assert result["requests"] > 20
        assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
        assert result["throughput"] == pytest.approx(result["requests"] / 0.5)
        failed = subprocess.run([*command, "--label", "x"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert "INVALID_ARGUMENT" in failed.stdout


def test_the_echo_is_the_ceiling_of_grpc() -> None:
    command = [sys.executable, "-m", "serving.echo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        result = run_load(f"127.0.0.1:{port}", text_request("m", "ab"), callers=4, seconds=0.5)
        process.terminate()
        assert process.wait(10) == 0
    assert result.requests > 50


@pytest.mark.parametrize(("callers", "seconds"), [(0, 1.0), (10**6, 1.0), (1, 10**6), (1, 0.0)])
def test_a_load_has_bounds(callers: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="give 1 to 4096 callers and at most 600 s"):
        run_load("127.0.0.1:1", b"", callers=callers, seconds=seconds)
