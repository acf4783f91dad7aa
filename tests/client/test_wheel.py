"""The client as users install it: its wheel, alone in an empty environment, against a real server."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.processes import ROOT, RunningServer, running_server

pytestmark = pytest.mark.e2e

# Printed by the environment under test: what it was answered, and what it has loaded.
_ASKS = """
import json, sys, time
begin = time.process_time()
import charseq_client
seconds = time.process_time() - begin
import asyncio
from charseq_client import AsyncClient, Client, PredictionError
from charseq_client.text import Sampling, stream

target = sys.argv[1]

async def ask():
    async with AsyncClient(target) as client:
        return (await client.predict({"text": ["b"]}, model="shout")).strings("text")

with Client(target) as client:
    answer = client.predict({"text": ["ab", "é"]}, model="shout")
    split = Client(target, max_batch_size=1).predict({"text": ["a", "b"]}, model="shout")
    written = [chunk.text for chunk in stream(client, "ab", Sampling(length=20), chunk=8, model="writer")]
    try:
        client.predict({"text": ["!"]}, model="shout")
    except PredictionError as error:
        refused = error.code.name
    print(json.dumps({
        "texts": answer.strings("text"),
        "type": type(answer.outputs["text"]).__name__,
        "split": split.strings("text"),
        "async": asyncio.run(ask()),
        "written": len("".join(written)),
        "refused": refused,
        "signature": client.metadata("shout")["serving_default"].method_name,
        "status": [status.state for status in client.status("shout")],
        "loaded": sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "numpy", "serving"}),
        "from": charseq_client.__file__,
        "seconds": seconds,
    }))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "client", folder / "client", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(folder / "client")], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, shout_models: dict[int, Path], writer_model: Path
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    config = folder / "models.config"
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{model.parent}" model_platform: "tensorflow" }}\n'
        for name, model in (("shout", shout_models[1]), ("writer", writer_model))
    )
    config.write_text(f"model_config_list {{ {entries} }}")
    with running_server(folder, f"--model_config_file={config}") as running:
        yield running


def _interpreter(version: str) -> str:
    """Returns an interpreter of a version; skips the test where there is none."""
    pyenv = Path.home() / ".pyenv" / "versions"
    for candidate in (shutil.which(f"python{version}"), *pyenv.glob(f"{version}.*/bin/python")):
        asked = [str(candidate), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        if candidate and subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return str(candidate)
    pytest.skip(f"no Python {version} here")


def _install(folder: Path, python: str, *what: str) -> Path:
    """Makes an environment with these and what they need, and returns its interpreter; skips where there is no index."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    own = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(own), "install", "--quiet", "--only-binary=:all:", *what]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if ran.returncode and ("No matching distribution" in ran.stderr or "Connection" in ran.stderr):
        pytest.skip(f"no package index can be reached: {ran.stderr.strip().splitlines()[-1]}")
    assert not ran.returncode, ran.stderr
    return own


@pytest.mark.parametrize(
    ("version", "extra"), [("3.10", ""), ("3.11", "[numpy]"), pytest.param("3.13", "", marks=pytest.mark.slow)]
)
def test_it_talks_to_a_server_from_an_empty_environment(
    wheel: Path, server: RunningServer, tmp_path: Path, version: str, extra: str
) -> None:
    python = _install(tmp_path / "venv", _interpreter(version), f"charseq-client{extra} @ {wheel.as_uri()}")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def ask() -> dict[str, object]:
        ran = subprocess.run(
            [str(python), "-c", _ASKS, server.target],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        answer: dict[str, object] = json.loads(ran.stdout)
        return answer

    answers = [ask() for _ in range(3)]
    seconds = min(float(str(answer.pop("seconds"))) for answer in answers)
    assert str(answers[0].pop("from")).startswith(str(tmp_path))
    assert answers[0] == {
        "texts": ["3:ab:AB", "3:é:?"],
        "type": "ndarray" if extra else "list",
        "split": ["3:a:?", "3:b:?"],
        "async": ["3:b:?"],
        "written": 20,
        "refused": "INVALID_ARGUMENT",
        "signature": "tensorflow/serving/predict",
        "status": ["AVAILABLE"],
        "loaded": ["numpy"] if extra else [],
    }
    # Seconds of the processor: other programs on the machine do not count.
    assert seconds < 0.3


def test_it_is_small_and_brings_licence_and_messages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()

    assert wheel.stat().st_size < 1_000_000
    assert wheel.name.endswith("-py3-none-any.whl")
    assert {"charseq_client/messages.binpb", "charseq_client/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert "tensorflow" not in [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
