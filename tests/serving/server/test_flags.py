"""The command line of the server, and of what starts it."""

import json
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from charseq_client import Client, PredictionError
from charseq_client.messages import config_pb2, model_server_config_pb2, rewriter_config_pb2
from serving.contract.errors import ServingError
from serving.free_port import free_port
from serving.launch import server_command
from serving.server.flag_table import UNSUPPORTED, WITHOUT_EFFECT
from serving.server.flags import Flags, parse_flags
from serving.server.session_config import session_config
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, run_server, running_server

# What `tensorflow_model_server --help` lists (2.20), each with a value that it takes.
_REAL_FLAGS = {
    **{"port": "8500", "grpc_socket_path": "s", "rest_api_port": "8501", "rest_api_num_threads": "4"},
    **{"rest_api_timeout_in_ms": "1000", "rest_api_enable_cors_support": "true", "enable_batching": "true"},
    **{"allow_version_labels_for_unavailable_models": "true", "batching_parameters_file": "f"},
    **{"enable_per_model_batching_parameters": "true", "model_config_file": "f", "model_name": "n"},
    **{"model_config_file_poll_wait_seconds": "1", "model_base_path": "/m", "num_load_threads": "0"},
    **{"num_unload_threads": "0", "max_num_load_retries": "5", "load_retry_interval_micros": "-1"},
    **{"file_system_poll_wait_seconds": "1", "flush_filesystem_caches": "true", "tensorflow_session_parallelism": "0"},
    **{"tensorflow_session_config_file": "f", "tensorflow_intra_op_parallelism": "1"},
    **{"tensorflow_inter_op_parallelism": "1", "use_alts_credentials": "false", "ssl_config_file": "f"},
    **{"platform_config_file": "", "per_process_gpu_memory_fraction": "0.5", "saved_model_tags": "serve"},
    **{"grpc_channel_arguments": "a=b", "grpc_max_threads": "4", "enable_model_warmup": "true", "version": "false"},
    **{"num_request_iterations_for_warmup": "1", "monitoring_config_file": "f", "mixed_precision": "bfloat16"},
    **{"remove_unused_fields_from_bundle_metagraph": "true", "prefer_tflite_model": "false", "num_tflite_pools": "2"},
    **{"num_tflite_interpreters_per_pool": "1", "enable_signature_method_name_check": "true"},
    **{"xla_cpu_compilation_enabled": "true", "xla_gpu_compilation_enabled": "true", "enable_profiler": "true"},
    **{"thread_pool_factory_config_file": "f", "skip_initialize_tpu": "true"},
    **{"enable_grpc_healthcheck_service": "true", "enable_serialization_as_tensor_content": "true"},
}


def test_every_flag_of_the_real_server_is_taken() -> None:
    assert len(_REAL_FLAGS) == 48
    flags = parse_flags([f"--{name}={value}" for name, value in _REAL_FLAGS.items()])
    assert flags.port == 8500
    assert len(flags.without_effect) == len(WITHOUT_EFFECT)


@pytest.mark.parametrize("flag", sorted(WITHOUT_EFFECT))
def test_a_flag_that_does_nothing_here_says_so(flag: str) -> None:
    for argument in (f"--{flag}=1", f"--{flag}"):
        (sentence,) = parse_flags(["--serving_dir=x", argument]).without_effect
        assert sentence.startswith(f"--{flag} has no effect here: ")


@pytest.mark.parametrize("flag", sorted(UNSUPPORTED))
def test_a_flag_that_would_change_answers_is_refused_by_name(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
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


@pytest.mark.e2e
def test_a_log_line_for_a_flag_that_does_nothing(tmp_path: Path) -> None:
    arguments = (f"--serving_dir={tmp_path}", "--enable_profiler", "--num_load_threads=0", "--num_unload_threads=1")
    with running_server(tmp_path, *arguments) as server:
        assert "--enable_profiler has no effect here" in server.log.read_text()


@pytest.mark.e2e
def test_a_relative_base_path_is_refused() -> None:
    ended = run_server("--model_base_path=relative", "--model_name=m", "--port=0")

    assert ended.returncode == 1
    assert "Expected model m to have an absolute path or URI; got base_path()=relative" in ended.stderr


@pytest.mark.e2e
def test_one_port_for_both_is_grpc_alone(tmp_path: Path) -> None:
    port = free_port()
    with running_server(tmp_path, f"--serving_dir={tmp_path}", f"--rest_api_port={port}", f"--port={port}") as server:
        assert (server.port, server.rest_port) == (port, 0)
        assert "REST is not served" in server.log.read_text()


@pytest.mark.e2e
@pytest.mark.parametrize("port", ["0", "any"])
def test_a_unix_socket(tmp_path: Path, shout_models: dict[int, Path], push: Push, port: str) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    socket_path = tmp_path / "grpc.sock"
    arguments = [f"--serving_dir={tmp_path / 'serving'}", f"--grpc_socket_path={socket_path}"]
    arguments += [f"--port={free_port()}"] if port == "any" else []
    with running_server(tmp_path, *arguments) as server:
        assert (server.port == 0) == (port == "0")
        for target in (f"unix:{socket_path}", *([server.target] if server.port else [])):
            with Client(target, timeout=120) as client:
                assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["1:ab:AB"]
    assert not socket_path.exists()
    ended = run_server(f"--serving_dir={tmp_path}", f"--grpc_socket_path={tmp_path / 'nowhere' / 's'}")
    assert (ended.returncode, "cannot be listened on" in ended.stderr) == (1, True)


@pytest.mark.e2e
def test_the_other_loopback_address(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    for address in ("::1", "[::1]"):
        arguments = [f"--serving_dir={tmp_path / 'serving'}", f"--bind_address={address}"]
        with running_server(tmp_path, *arguments, f"--rest_api_port={free_port()}") as server:
            assert f"Serving gRPC at [::1]:{server.port}, REST at [::1]:{server.rest_port}" in server.log.read_text()
            with Client(f"[::1]:{server.port}", timeout=120) as client:
                assert client.wait_until_available("shout") == 1
            with urllib.request.urlopen(f"http://[::1]:{server.rest_port}/v1/models/shout", timeout=120) as response:
                assert response.status == 200


def test_the_settings_of_a_session(tmp_path: Path) -> None:
    path = tmp_path / "session.config"
    path.write_text("intra_op_parallelism_threads: 3 inter_op_parallelism_threads: 5 allow_soft_placement: true")
    flags = Flags(
        tensorflow_session_config_file=str(path),
        tensorflow_inter_op_parallelism=7,
        per_process_gpu_memory_fraction=0.25,
        mixed_precision="bfloat16",
    )
    config = config_pb2.ConfigProto.FromString(session_config(flags))
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (3, 7)
    assert config.allow_soft_placement
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.25
    on = rewriter_config_pb2.RewriterConfig.ON
    assert config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 == on
    path.write_text("nonsense")
    with pytest.raises(ServingError, match="is no ConfigProto"):
        session_config(Flags(tensorflow_session_config_file=str(path)))
    with pytest.raises(ServingError, match="the one it can be is bfloat16"):
        session_config(Flags(mixed_precision="float8"))


@pytest.mark.e2e
def test_xla_needs_its_flag(tmp_path: Path, compiled_model: Path, push: Push) -> None:
    push(compiled_model, tmp_path / "serving" / "compiled", 1)
    arguments = (f"--serving_dir={tmp_path / 'serving'}",)

    def ask(server: RunningServer) -> Any:
        with Client(server.target, timeout=120) as client:
            return client.predict({"x": np.float32([2.0])}, model="compiled").outputs["y"].tolist()

    with running_server(tmp_path, *arguments, "--xla_cpu_compilation_enabled") as server:
        assert ask(server) == [5.0]
    with running_server(tmp_path, *arguments) as server, pytest.raises(PredictionError):
        ask(server)


@pytest.mark.e2e
def test_help_and_version() -> None:
    assert "example: python -m serving" in run_server("--help").stdout
    assert "TensorFlow Library: 2." in run_server("--version").stdout


@pytest.mark.e2e
def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run_server(f"--serving_dir={tmp_path}", f"--port={port}")

    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be listened on" in ended.stderr


@pytest.mark.e2e
def test_a_ready_file_of_an_earlier_server_is_removed_at_once(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("{}")
    run_server(
        f"--model_base_path={tmp_path / 'nothing'}", "--port=1", f"--ready_file={ready}", "--bind_address=300.0.0.1"
    )

    assert not ready.exists()


@pytest.mark.e2e
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
