"""The end of the server: what it has taken is answered, and nothing else holds it up."""

import ctypes
import http.client
import json
import os
import platform
import signal
import subprocess
import time
from pathlib import Path

import pytest

from charseq_client import Client, PredictionError, Retries
from serving.contract.errors import Code
from serving.free_port import free_port
from tests.serving.conftest import Push
from tests.serving.load import QUICK, checked_version, load
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


def test_sigterm_under_load_answers_everything_it_took(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    port = free_port()
    answered, broken = [], []

    def over_http() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.01)
            return 0  # it takes no more connections, which is what it should do
        try:
            connection.request("POST", "/v1/models/shout:predict", json.dumps({"instances": ["ab"]}))
            answered.append(connection.getresponse().status)
        except http.client.RemoteDisconnected:
            pass  # closed before it was read
        except OSError as error:
            broken.append(error)
        finally:
            connection.close()
        return 0

    arguments = (f"--serving_dir={base.parent}", f"--rest_api_port={port}", *QUICK)
    with (
        running_server(tmp_path, *arguments) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
    ):

        def over_grpc() -> int:
            try:
                return checked_version(client)
            except PredictionError as error:
                # Neither ran. CANCELLED is gRPC's own answer to a call that it had received, but not yet handed over,
                # when it was told to stop; one that was handed over is answered.
                if error.code not in (Code.UNAVAILABLE, Code.CANCELLED):
                    raise
                time.sleep(0.01)
                return 0

        with load(8, over_grpc) as grpc_seen, load(4, over_http) as rest_seen:
            time.sleep(1)
            server.process.send_signal(signal.SIGTERM)
            try:
                assert server.process.wait(120) == 0
            except subprocess.TimeoutExpired:
                raise AssertionError(f"the server goes on: {server.log.read_text()[-4_000:]}") from None

    assert grpc_seen.failures == rest_seen.failures == []
    assert grpc_seen.answered[1] > 10
    assert set(answered) == {200}


def test_connections_without_a_request_do_not_hold_sigterm_up(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    arguments = (f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}", *QUICK)
    with running_server(tmp_path, *arguments) as server:
        kept = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
        kept.request("POST", "/v1/models/shout:predict", json.dumps({"instances": ["ab"]}))
        assert kept.getresponse().read()
        silent = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
        silent.connect()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(120) == 0
        kept.close()
        silent.close()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of the system call is this processor's")
def test_sigterm_ends_the_server_whichever_thread_takes_it(tmp_path: Path, shout_models: dict[int, Path]) -> None:
    tgkill = 234
    with running_server(tmp_path, f"--model_base_path={shout_models[1].parent}", "--model_name=shout") as server:
        main = server.process.pid
        others = [int(thread) for thread in os.listdir(f"/proc/{main}/task") if int(thread) != main]

        assert ctypes.CDLL(None).syscall(tgkill, main, others[-1], signal.SIGTERM) == 0

        assert server.process.wait(120) == 0
