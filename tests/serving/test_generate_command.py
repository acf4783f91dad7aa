"""`charseq generate`: what is streamed is what is printed at once."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.load import QUICK
from tests.serving.processes import RunningServer, running_server

pytestmark = pytest.mark.e2e

CHARSEQ = str(Path(sys.executable).with_name("charseq"))


@pytest.fixture(scope="module")
def server(writer_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(writer_model, folder / "text" / "4")
    with running_server(folder, f"--serving_dir={folder}", *QUICK) as running:
        yield running


def _generate(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [CHARSEQ, "generate", "--server", server.target, "--seed", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("prompt", ["", "xy"])
@pytest.mark.parametrize("length", ["0", "1", "20"])
def test_streamed_and_not_streamed_are_the_same(server: RunningServer, prompt: str, length: str) -> None:
    asked = ("--prompt", prompt, "--length", length)
    at_once = _generate(server, *asked)
    streamed = _generate(server, *asked, "--stream")
    assert (streamed.returncode, streamed.stdout) == (at_once.returncode, at_once.stdout)
    assert at_once.stdout == f"{prompt}{'abcdefghijklmnopqrstuvwxyz'[len(prompt) :][: int(length)]}\n"
    as_json = [_generate(server, *asked, "--json", *extra).stdout for extra in ((), ("--stream",))]
    assert as_json[0] == as_json[1]
    assert '"version": 4' in as_json[0]


def test_a_server_that_is_not_there_is_noticed_also_where_nothing_is_to_be_written() -> None:
    command = [CHARSEQ, "generate", "--server", "127.0.0.1:1", "--length", "0", "--stream"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "UNAVAILABLE" in ended.stderr
