"""Requests of very many rows: answered or refused in bounded time and memory, beside callers who notice nothing."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest

from charseq_client import Client, Retries
from charseq_client.arrays import to_proto
from charseq_client.messages import PredictionServiceStub, predict_pb2
from serving.contract.errors import ServingError
from serving.free_port import free_port
from serving.server.models.limits import RequestLimits
from tests.serving.conftest import Push
from tests.serving.load import load
from tests.serving.processes import RunningServer, running_server

pytestmark = pytest.mark.e2e

_ROWS = 900_000

# For a model that batches, as the models of sums do.
_PARAMETERS = """
max_batch_size { value: 1024 } enable_large_batch_splitting { value: true } max_execution_batch_size { value: 64 }
batch_timeout_micros { value: 5000 } max_enqueued_batches { value: 256 }
"""


def _grpc(server: RunningServer, rows: int) -> tuple[str, str]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "heavy"
    request.inputs["text"].CopyFrom(to_proto("text", ["12+34"] * rows))
    with grpc.insecure_channel(server.target) as channel:
        try:
            answer = PredictionServiceStub(channel).Predict(request, timeout=60)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", str(len(answer.outputs["length"].float_val))


def _json(server: RunningServer, rows: int) -> tuple[str, str]:
    body = json.dumps({"instances": ["12+34"] * rows}).encode()
    try:
        with urllib.request.urlopen(f"{server.rest_url}/v1/models/heavy:predict", body, timeout=60) as response:
            return "OK", str(len(json.load(response)["predictions"]))
    except urllib.error.HTTPError as error:
        return {400: "INVALID_ARGUMENT"}.get(error.code, str(error.code)), json.load(error)["error"]


@pytest.mark.parametrize(
    ("batched", "most", "message"),
    [
        (True, 1024, "Task size {rows} is larger than maximum input batch size 1024"),
        (
            False,
            1024,
            "The request has {rows} rows; this server takes at most 1024 at a time (--max_request_rows). Send fewer rows "
            "in a request.",
        ),
    ],
    ids=["batched", "not batched"],
)
def test_many_rows_beside_32_callers(
    tmp_path: Path, heavy_model: Path, push: Push, batched: bool, most: int, message: str
) -> None:
    version = push(heavy_model, tmp_path / "serving" / "heavy", 1)
    if batched:
        (version / "batching_params.pbtxt").write_text(_PARAMETERS)
    arguments = [f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}"]
    arguments += ["--enable_batching", "--enable_per_model_batching_parameters"]
    with (
        running_server(tmp_path, *arguments) as server,
        Client(server.target, retries=Retries(max_attempts=1), timeout=60) as client,
    ):

        def ask() -> int:
            answer = client.predict({"text": ["ab"]}, model="heavy")
            assert answer.outputs["length"].tolist() == [2.0]
            return answer.version

        for _ in range(20):
            ask()
        idle = server.resident_mib()
        most_seen = idle
        with load(32, ask) as seen:
            for send in (_grpc, _json):
                for rows in (_ROWS, most + 1):
                    assert send(server, rows) == ("INVALID_ARGUMENT", message.format(rows=rows))
                assert send(server, most) == ("OK", str(most))
                most_seen = max(most_seen, server.peak_mib())
        deadline = time.monotonic() + 120
        while server.resident_mib() > idle + 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        left = server.resident_mib()

    assert seen.failures == []
    assert seen.answered
    assert most_seen < idle + 1500
    assert left < idle + 200


def test_large_requests_take_turns() -> None:
    limits = RequestLimits()
    with limits.turn(1000, 0):
        with limits.turn(10, 0):
            pass  # a small one does not wait
        with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"), limits.turn(1000, 10):
            pass
    with limits.turn(1000, 10):
        pass
