"""A push makes its model known to whatever serves: ``models.config`` lists it, and TensorFlow Serving follows that file."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charseq_client import Client
from components.pusher.publish import publish
from serving.contract.canary_result import CanaryResult
from serving.contract.errors import ServingError
from serving.contract.model_config import read_config, register
from serving.rollout import list_models, promote
from tests.serving.conftest import Push
from tests.serving.load import QUICK
from tests.serving.processes import ROOT, running_server

pytestmark = pytest.mark.e2e

# Stands in for TensorFlow Serving: notes its flags, and the models in its file whenever they change.
_STAND_IN = """#!{python}
import re, sys, time
from pathlib import Path
flags = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
folder = Path(__file__).parent
(folder / "flags").write_text("\\n".join(sorted(flags)))
while True:
    names = re.findall(r'name: "(.*?)"', Path(flags["model_config_file"]).read_text())
    (folder / "aside").write_text(" ".join(names))
    (folder / "aside").rename(folder / "models")
    time.sleep(float(flags["model_config_file_poll_wait_seconds"]) / 20)
"""


def _names(serving_dir: Path) -> list[str]:
    return [entry.name for entry in read_config(serving_dir / "models.config").model_config_list.config]


def test_tensorflow_serving_on_a_laptop_learns_of_a_later_push(tmp_path: Path, shout_models: dict[int, Path]) -> None:
    serving_dir, folder = tmp_path / "serving", tmp_path / "bin"
    folder.mkdir()
    (folder / "tensorflow_model_server").write_text(_STAND_IN.format(python=sys.executable))
    (folder / "tensorflow_model_server").chmod(0o755)
    publish(str(shout_models[1]), str(serving_dir / "first"), lambda path: None)

    def wait_for(names: str) -> None:
        deadline = time.monotonic() + 120
        while not (folder / "models").exists() or (folder / "models").read_text() != names:
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)

    command = [str(Path(sys.executable).with_name("charseq")), "serve"]
    command += ["--serving-dir", str(serving_dir), "--port=9000"]
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            wait_for("first")
            publish(str(shout_models[1]), str(serving_dir / "second"), lambda path: None)
            wait_for("first second")
        finally:
            process.send_signal(signal.SIGTERM)
    flags = (folder / "flags").read_text().split("\n")
    assert {"port", "rest_api_port", "model_config_file", "model_config_file_poll_wait_seconds"} <= set(flags)
    assert {"enable_batching", "enable_per_model_batching_parameters"} <= set(flags)


def test_what_the_file_says_is_kept(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    for version in (1, 2):
        push(shout_models[version], tmp_path / "shout", version)
    promote(tmp_path, "shout", 1)
    publish(str(shout_models[3]), str(tmp_path / "other"), lambda path: None)
    published = publish(str(shout_models[3]), str(tmp_path / "shout"), lambda path: None)

    assert _names(tmp_path) == ["shout", "other"]
    shout, other = list_models(tmp_path)[::-1]
    assert (shout.stable, shout.pinned) == (1, True)
    assert (other.pinned, other.versions[0].on_disk) == (False, True)
    assert published in [version.version for version in shout.versions]


def test_many_pushes_at_once(tmp_path: Path) -> None:
    names = [f"model-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: register(tmp_path, name), names)) == [True] * 40
        assert list(pool.map(lambda name: register(tmp_path, name), names)) == [False] * 40
    assert sorted(_names(tmp_path)) == sorted(names)


def test_a_serving_folder_that_was_moved_is_served_and_pushed_to(tmp_path: Path, shout_models: dict[int, Path]) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    publish(str(shout_models[1]), str(old / "m"), lambda path: None)
    old.rename(new)
    with running_server(tmp_path, f"--serving_dir={new}", *QUICK) as server, Client(server.target) as client:
        assert client.predict({"text": ["ab"]}, model="m").strings("text") == ["1:ab:AB"]
    publish(str(shout_models[2]), str(new / "m"), lambda path: None)
    (entry,) = read_config(new / "models.config").model_config_list.config
    assert entry.base_path == str(new / "m")


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "models.config").write_text("nonsense")
    with pytest.raises(ServingError, match="Invalid protobuf file"):
        register(tmp_path, "m")
    assert (tmp_path / "models.config").read_text() == "nonsense"


def test_the_built_in_server_unloads_a_model_that_was_deleted_and_is_still_listed(
    tmp_path: Path, shout_models: dict[int, Path]
) -> None:
    serving_dir = tmp_path / "serving"
    for name in ("first", "second"):
        publish(str(shout_models[1]), str(serving_dir / name), lambda path: None)
    with (
        running_server(tmp_path, f"--serving_dir={serving_dir}", "--removal_wait_seconds=0.2", *QUICK) as server,
        Client(server.target) as client,
    ):
        assert client.predict({"text": ["ab"]}, model="first").strings("text") == ["1:ab:AB"]
        (serving_dir / "first").rename(tmp_path / "aside")
        deadline = time.monotonic() + 120
        while any(status.state != "END" for status in client.status("first")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.predict({"text": ["ab"]}, model="second").strings("text") == ["1:ab:AB"]


def test_the_result_of_a_canary_travels_as_json() -> None:
    result = CanaryResult("sums", 2, 1, False, ("it is slow",), 16, 1.0, 3.5)
    assert CanaryResult.from_json(result.to_json()) == result
    for text in ("{}", '{"model": "sums", "reasons": []}', '{"other": 1, "reasons": []}', "nonsense"):
        with pytest.raises(ValueError):  # noqa: PT011
            CanaryResult.from_json(text)
