"""grpc.health.v1, as a Kubernetes probe asks it."""

import signal
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


def _health_pb2() -> tuple[Any, Any]:
    try:
        from grpc_health.v1 import health_pb2, health_pb2_grpc
    except Exception as error:
        pytest.skip(f"grpcio-health-checking does not fit the installed protobuf: {error}")
    return health_pb2, health_pb2_grpc


def test_health_is_answered_when_it_is_asked_for(tmp_path: Path) -> None:
    health_pb2, health_pb2_grpc = _health_pb2()
    arguments = (f"--serving_dir={tmp_path}", "--enable_grpc_healthcheck_service")
    with running_server(tmp_path, *arguments) as server, grpc.insecure_channel(server.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "ModelService", "PredictionService"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=120).status == 1
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=120)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_watcher_is_told_of_the_end_and_does_not_hold_it_up(tmp_path: Path) -> None:
    health_pb2, health_pb2_grpc = _health_pb2()
    arguments = (f"--serving_dir={tmp_path}", "--enable_grpc_healthcheck_service")
    seen = []
    with running_server(tmp_path, *arguments) as server, grpc.insecure_channel(server.target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=120)
        seen.append(next(watch).status)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as caught:
            seen.extend(response.status for response in watch)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(120) == 0
    assert seen == [1, 2]


def test_health_is_not_answered_by_default(tmp_path: Path) -> None:
    health_pb2, health_pb2_grpc = _health_pb2()
    with (
        running_server(tmp_path, f"--serving_dir={tmp_path}") as server,
        grpc.insecure_channel(server.target) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=120)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
