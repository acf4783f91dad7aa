"""``--model_config_file``, labels and HandleReloadConfigRequest against the real process."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from charseq_client import Client, PredictionError
from charseq_client.messages import ModelServiceStub, model_management_pb2, model_server_config_pb2
from serving.contract.errors import Code
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, run_server, running_server

pytestmark = pytest.mark.e2e

QUICK = ("--file_system_poll_wait_seconds=0.1", "--max_num_load_retries=0")


def _config(*entries: dict[str, Any]) -> Any:
    config = model_server_config_pb2.ModelServerConfig()
    for entry in entries:
        config.model_config_list.config.add(**{"model_platform": "tensorflow", **entry})
    return config


def _specific(*versions: int) -> dict[str, Any]:
    return {"specific": {"versions": versions}}


@pytest.fixture
def base(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> Path:
    for version in (1, 2, 3):
        push(shout_models[version], tmp_path / "models" / "shout", version)
    return tmp_path / "models" / "shout"


@pytest.fixture
def config_file(tmp_path: Path, base: Path) -> Path:
    path = tmp_path / "config.pbtxt"
    path.write_text(str(_config({"name": "shout", "base_path": str(base), "model_version_policy": _specific(1, 2)})))
    return path


@pytest.fixture
def server(tmp_path: Path, config_file: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path, f"--model_config_file={config_file}", *QUICK) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.target, timeout=120) as client:
        yield client


@pytest.fixture
def reload(server: RunningServer) -> Iterator[Callable[[Any], Any]]:
    with grpc.insecure_channel(server.target) as channel:
        stub = ModelServiceStub(channel)
        yield lambda config: stub.HandleReloadConfigRequest(
            model_management_pb2.ReloadConfigRequest(config=config), timeout=120
        )


def _available(client: Client, model: str = "shout") -> list[int]:
    return [status.version for status in client.status(model) if status.state == "AVAILABLE"]


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _label(client: Client, label: str) -> int:
    return client.predict({"text": ["ab"]}, model="shout", label=label).version


def test_policies_and_labels(client: Client, reload: Callable[[Any], Any], base: Path) -> None:
    entry = {"name": "shout", "base_path": str(base)}
    assert _available(client) == [2, 1]

    assert (
        reload(
            _config({**entry, "model_version_policy": _specific(1, 2), "version_labels": {"stable": 1, "canary": 2}})
        ).status.error_code
        == 0
    )
    assert (_label(client, "stable"), _label(client, "canary")) == (1, 2)
    reload(_config({**entry, "model_version_policy": {"all": {}}, "version_labels": {"stable": 2}}))
    _wait_for(lambda: _available(client) == [3, 2, 1])
    assert _label(client, "stable") == 2
    with pytest.raises(PredictionError, match="Unrecognized servable version label: canary"):
        _label(client, "canary")
    reload(_config({**entry, "model_version_policy": {"latest": {"num_versions": 2}}}))
    _wait_for(lambda: _available(client) == [3, 2])
    reload(_config(entry))
    _wait_for(lambda: _available(client) == [3])


def test_a_label_needs_a_loaded_version(client: Client, reload: Callable[[Any], Any], base: Path) -> None:
    entry = {"name": "shout", "base_path": str(base), "model_version_policy": _specific(2, 3)}
    with pytest.raises(grpc.RpcError) as caught:
        reload(_config({**entry, "version_labels": {"stable": 3}}))
    assert (caught.value.code(), caught.value.details()) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "Request to assign label to version 3 of model shout, which is not currently available for inference",
    )
    assert _available(client) == [2, 1]  # nothing of it was taken over


@pytest.mark.parametrize(
    ("entries", "code", "message"),
    [
        (
            [{"name": "m", "base_path": "/m"}, {"name": "m", "base_path": "/m"}],
            "INVALID_ARGUMENT",
            "Illegal to list model m multiple times in config list",
        ),
        (
            [{"name": "m", "base_path": "m"}],
            "INVALID_ARGUMENT",
            "Expected model m to have an absolute path or URI; got base_path()=m",
        ),
        (
            [{"name": "m", "base_path": "/m", "model_platform": ""}],
            "INVALID_ARGUMENT",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is m",
        ),
        (
            [{"name": "m", "base_path": "/m", "model_platform": "caffe"}],
            "INVALID_ARGUMENT",
            "Model m requests unsupported platform caffe",
        ),
        (
            [{"name": "shout", "base_path": "/m", "model_platform": "tflite"}],
            "INVALID_ARGUMENT",
            "Illegal to change a model's platform. For model shout platform was tensorflow and new platform requested "
            "is tflite",
        ),
        (None, "INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest."),
    ],
)
def test_what_a_reload_refuses(
    client: Client, reload: Callable[[Any], Any], entries: list[dict[str, Any]] | None, code: str, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        reload(_config(*entries or ()))
    assert caught.value.code().name == code
    assert caught.value.details().startswith(message)
    assert _available(client) == [2, 1]


def test_models_come_and_go(
    client: Client, reload: Callable[[Any], Any], base: Path, numbers_model: Path, tmp_path: Path, push: Push
) -> None:
    push(numbers_model, tmp_path / "elsewhere", 1)
    shout = {"name": "shout", "base_path": str(base)}
    reload(_config(shout, {"name": "numbers", "base_path": str(tmp_path / "elsewhere")}))
    assert _available(client, "numbers") == [1]  # as soon as the call returns
    broken = tmp_path / "broken"
    (broken / "1").mkdir(parents=True)
    with pytest.raises(grpc.RpcError) as caught:
        reload(_config(shout, {"name": "broken", "base_path": str(broken)}))
    assert caught.value.code() == grpc.StatusCode.UNKNOWN
    assert "did not become available: {{name: broken version: 1} due to error:" in caught.value.details()
    _wait_for(lambda: _available(client, "numbers") == [])
    _wait_for(lambda: client.predict({"text": ["ab"]}, model="shout").version == 3)


def test_the_file_is_read_again(tmp_path: Path, config_file: Path, base: Path) -> None:
    arguments = (f"--model_config_file={config_file}", "--model_config_file_poll_wait_seconds=1", *QUICK)
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        assert _available(client) == [2, 1]
        config_file.write_text("this is no configuration")
        time.sleep(1.5)
        assert _available(client) == [2, 1]
        assert "is not taken over: INVALID_ARGUMENT: Invalid protobuf file" in server.log.read_text()
        config_file.write_text(
            str(_config({"name": "shout", "base_path": str(base), "model_version_policy": _specific(3)}))
        )
        _wait_for(lambda: _available(client) == [3])


def test_labels_at_the_start(tmp_path: Path, config_file: Path, base: Path) -> None:
    entry = {"name": "shout", "base_path": str(base), "version_labels": {"stable": 3}}
    config_file.write_text(str(_config(entry)))
    argument = f"--model_config_file={config_file}"
    ended = run_server(argument, "--port=0")
    assert ended.returncode == 1
    assert "Request to assign label to version 3 of model shout, which is not" in ended.stderr
    allowed = (argument, "--allow_version_labels_for_unavailable_models=true")
    with running_server(tmp_path, *allowed) as server, Client(server.target) as client:
        assert _label(client, "stable") == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        ("x", "Invalid protobuf file"),
        ("\xff", "Invalid protobuf file"),
        ("improperly formatted file", "Invalid protobuf file"),
        ('model_config_list { config { name: "m" base_path: "/m" model_platform: "tensorflow" }', "Invalid protobuf"),
        ('model_config_list { config { name: "m" base: "/m" } }', "Invalid protobuf file"),
        ('model_config_list { config { name: "m" base_path: 7 } }', "Invalid protobuf file"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    ended = run_server(f"--model_config_file={path}", "--port=0")

    assert (ended.returncode, message in ended.stderr, str(path) in ended.stderr) == (1, True, True), ended.stderr


def test_the_configuration_inside_a_serving_folder(tmp_path: Path, base: Path) -> None:
    path = base.parent / "models.config"

    def write(content: str) -> None:
        aside = path.with_name("aside")
        aside.write_text(content)
        aside.rename(path)

    def entry(version: int) -> str:
        # The base path is of another machine; the folder beside the file counts.
        model = {"name": "shout", "base_path": "/elsewhere/shout", "version_labels": {"stable": version}}
        return str(_config({**model, "model_version_policy": _specific(version)}))

    write(entry(1))
    with running_server(tmp_path, f"--serving_dir={base.parent}", *QUICK) as server, Client(server.target) as client:
        assert (_available(client), _label(client, "stable")) == ([1], 1)
        write(entry(2))
        answered = set()
        deadline = time.monotonic() + 120
        # Not one request fails while the label moves, although nothing waits for version 2 to be loaded.
        while _label(client, "stable") != 2:
            answered.add(_label(client, "stable"))
            assert time.monotonic() < deadline
        assert answered <= {1, 2}
        assert client.predict({"text": ["ab"]}, model="shout").version == 2
        write("broken")
        time.sleep(0.5)
        assert _label(client, "stable") == 2
        path.unlink()
        _wait_for(lambda: _available(client) == [3])
        with pytest.raises(PredictionError) as caught:
            _label(client, "stable")
        assert caught.value.code == Code.INVALID_ARGUMENT
