"""The command line of the server, and of what starts it."""

import json
import socket
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format

from serving.contract.stubs import model_server_config_pb2
from serving.launch import server_command
from serving.server.flags import UNSUPPORTED_FLAGS, parse_flags
from tests.serving.conftest import Push
from tests.serving.processes import run_server, running_server


@pytest.mark.parametrize("flag", sorted(UNSUPPORTED_FLAGS))
def test_a_flag_of_the_real_server_that_is_not_here_is_refused_by_name(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for argument in (f"--{flag}=1", f"--{flag}"):
        with pytest.raises(SystemExit) as ended:
            parse_flags(["--serving_dir=x", argument])
        assert ended.value.code == 2
        assert f"--{flag} is a flag of tensorflow_model_server" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either --serving_dir or --model_base_path"),
        (["--serving_dir=a", "--model_base_path=b"], "either --serving_dir or --model_base_path"),
        (["--serving_dir=a", "--prot=1"], "unknown argument: --prot=1"),
        (["--serving_dir=a", "stray"], "unknown argument: stray"),
        (["--serving_dir=a", "--port=70000"], "--port=70000 is not a port"),
        (["--serving_dir=a", "--port=x"], "invalid int value"),
        (["--serving_dir=a", "--enable_model_warmup=perhaps"], "neither true nor false"),
        (["--serving_dir=a", "--max_num_load_retries=-1"], "cannot be negative"),
        (["--serving_dir=a", "--grpc_channel_arguments=a"], "key=value"),
        (
            ["--serving_dir=a", "--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1"],
            "not both",
        ),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_flags(arguments)
    error = capsys.readouterr().err

    assert ended.value.code == 2
    assert message in error
    assert error.count("\n") == 1


def test_flags_as_the_real_server_takes_them() -> None:
    flags = parse_flags(
        [
            *("--model_base_path=/m", "--model_name=n", "--port", "1", "--enable_grpc_healthcheck_service"),
            *("--enable_model_warmup=false", "--grpc_channel_arguments=grpc.max_connection_age_ms=2000,a=b"),
        ]
    )

    assert (flags.model_base_path, flags.model_name, flags.port) == ("/m", "n", 1)
    assert flags.enable_grpc_healthcheck_service
    assert not flags.enable_model_warmup
    assert flags.channel_arguments == [("grpc.max_connection_age_ms", 2000), ("a", "b")]
    assert flags.threads > 0


def test_help_and_version() -> None:
    assert "example: python -m serving" in run_server("--help").stdout
    assert "TensorFlow Library: 2." in run_server("--version").stdout


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run_server(f"--serving_dir={tmp_path}", f"--port={port}")

    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be listened on" in ended.stderr


def test_a_ready_file_of_an_earlier_server_is_removed_at_once(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("{}")
    run_server(
        f"--model_base_path={tmp_path / 'nothing'}", "--port=1", f"--ready_file={ready}", "--bind_address=300.0.0.1"
    )

    assert not ready.exists()


def test_the_server_listens_on_loopback_alone(tmp_path: Path) -> None:
    with running_server(tmp_path, f"--serving_dir={tmp_path}") as server:
        assert json.loads((tmp_path / "ready.json").read_text()) == {
            "host": "127.0.0.1",
            "grpc_port": server.port,
            "rest_api_port": 0,
            "pid": server.process.pid,
        }
        wildcard = ["00000000:", "00000000000000000000000000000000:"]
        tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        assert not any(address + f"{server.port:04X}" in tables for address in wildcard)


def test_the_command_of_the_built_in_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command = server_command(tmp_path, port=0, ready_file=tmp_path / "ready", verbose=True)

    assert command == [
        *(sys.executable, "-m", "serving", f"--serving_dir={tmp_path}", "--port=0"),
        *("--enable_batching=true", "--enable_per_model_batching_parameters=true"),
        *("--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=-1"),
        *(f"--ready_file={tmp_path / 'ready'}", "--verbose"),
    ]
    parse_flags(command[3:])
    with pytest.raises(ValueError, match="no nowhere on PATH"):
        server_command(tmp_path, executable="nowhere")


def test_the_command_of_tensorflow_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shout_models: dict[int, Path], push: Push
) -> None:
    binary = tmp_path / "bin" / "tensorflow_model_server"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(binary.parent))
    serving_dir = tmp_path / "serving"
    with pytest.raises(ValueError, match="There is no model below"):
        server_command(serving_dir)
    push(shout_models[1], serving_dir / "shout", 1)
    command = server_command(serving_dir, port=9000, rest_port=9001)

    assert command[:2] == [str(binary), "--port=9000"]
    assert "--rest_api_port=9001" in command
    config = text_format.Parse((serving_dir / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("shout", str(serving_dir / "shout"), "tensorflow")
    with pytest.raises(ValueError, match="picks no free port"):
        server_command(serving_dir, port=0)
    assert server_command(serving_dir, executable="builtin")[1:3] == ["-m", "serving"]
