"""The load test against the real server and against the echo that it is held against."""

import json
import subprocess
import sys
from array import array
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.image import imread

from serving.load_test.load import run_load, text_request
from serving.load_test.plot import save_plot
from serving.load_test.samples import LoadSamples
from tests.serving.conftest import Push
from tests.serving.processes import ROOT, running_server

pytestmark = pytest.mark.e2e


def test_it_measures_and_says_what_failed(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    with running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}") as server:
        command = [sys.executable, "-m", "serving.load_test", server.target, "--model", "shout", "--text", "ab"]
        command += ["--callers", "4", "--seconds", "2"]
        plots = [tmp_path / "load.png", tmp_path / "load.svg"]
        ended = subprocess.run(
            [*command, "--json", "--plot", str(plots[0])], cwd=ROOT, capture_output=True, text=True, check=True
        )
        (result,) = json.loads(ended.stdout)["results"]
        assert result["errors"] == {}
        assert result["requests"] > 0
        assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
        assert result["throughput"] == pytest.approx(result["requests"] / 2)
        assert imread(plots[0]).shape == (800, 1400, 4)
        failing = [*command, "--label", "x", "--plot", str(plots[1])]
        failed = subprocess.run(failing, cwd=ROOT, capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert "INVALID_ARGUMENT" in failed.stdout
        texts = " ".join(ElementTree.parse(plots[1]).getroot().itertext())
        assert f"shout at {server.target}" in texts
        assert "INVALID_ARGUMENT" in texts


def test_a_plot_says_what_failed_and_shows_gaps(tmp_path: Path) -> None:
    samples = LoadSamples(2, 1.0, array("d", [0.05, 0.95]), array("d", [0.01, 0.02]))
    samples.errors = {"UNAVAILABLE": array("d", [0.5, 1.2])}
    save_plot([LoadSamples(1, 1.0), samples], tmp_path / "load.svg", "m")
    texts = " ".join(ElementTree.parse(tmp_path / "load.svg").getroot().itertext())
    assert "2 callers: 2 UNAVAILABLE" in texts
    assert "1 caller: 0 a second" in texts
    save_plot([LoadSamples(1, 1.0)], tmp_path / "load.png", "nothing was answered")
    assert imread(tmp_path / "load.png").ndim == 3


def test_a_plot_that_cannot_be_written_is_refused_before_the_load(tmp_path: Path) -> None:
    for plot in (tmp_path / "load.txt", tmp_path / "x" / "load.png"):
        command = [sys.executable, "-m", "serving.load_test", "127.0.0.1:1", "--model", "m", "--plot", str(plot)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (ended.returncode, "give a file that ends in .png or .svg" in ended.stderr) == (2, True)


def test_the_echo_is_the_ceiling_of_grpc() -> None:
    command = [sys.executable, "-m", "serving.load_test.echo"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        result = run_load(f"127.0.0.1:{port}", text_request("m", "ab"), callers=4, seconds=0.5)
        process.terminate()
        assert process.wait(120) == 0
    assert result.requests > 50


@pytest.mark.parametrize(("callers", "seconds"), [(0, 1.0), (10**6, 1.0), (1, 10**6), (1, 0.0)])
def test_a_load_has_bounds(callers: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="give 1 to 4096 callers and at most 600 s"):
        run_load("127.0.0.1:1", b"", callers=callers, seconds=seconds)
