"""Dynamic batching: the same answers as without it, whoever shares the batch."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client import Client, PredictionError
from serving.client.arrays import from_proto, to_proto
from serving.contract.errors import Code, ServingError
from serving.contract.stubs import predict_pb2, prediction_service_pb2_grpc
from serving.server.batching.parameters import read_batching_parameters
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, run_server, running_server


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    shout_models: dict[int, Path],
    numbers_model: Path,
    judge_model: Path,
    push: Push,
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    push(shout_models[1], folder / "serving" / "shout", 1)
    push(numbers_model, folder / "serving" / "numbers", 1)
    push(judge_model, folder / "serving" / "judge", 1)
    parameters = folder / "batching.config"
    parameters.write_text(
        "max_batch_size { value: 32 } batch_timeout_micros { value: 20000 } num_batch_threads { value: 2 }\n"
        "max_enqueued_batches { value: 100 } allowed_batch_sizes: 8 allowed_batch_sizes: 32"
    )
    arguments = ("--enable_batching", f"--batching_parameters_file={parameters}", "--grpc_max_threads=64")
    with running_server(folder, f"--serving_dir={folder / 'serving'}", *arguments) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.target, timeout=20) as client:
        yield client


def _together(*calls: Callable[[], Any]) -> list[Any]:
    """Calls all at the same time; returns results and exceptions."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_everyone_gets_the_own_rows(client: Client) -> None:
    def ask(number: int) -> bool:
        texts = [f"{number}.{row}" for row in range(1 + number % 5)]
        prediction = client.predict({"text": texts}, model="shout")
        assert prediction.outputs["log_prob"].tolist() == [float(len(text)) for text in texts]
        return prediction.strings("text") == [f"1:{text}:?" for text in texts]

    for _ in range(5):
        assert _together(*(lambda n=n: ask(n) for n in range(40))) == [True] * 40


def test_numbers_in_every_layout(server: RunningServer) -> None:
    with grpc.insecure_channel(server.target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(number: int) -> bool:
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = "numbers", "cast"
            values = np.arange(number, number + 1 + number % 3)
            tensor = request.inputs["x"]
            tensor.CopyFrom(to_proto("x", values))
            if number % 2:  # one value per element in place of the bytes
                tensor.ClearField("tensor_content")
                tensor.int64_val.extend(values.tolist())
            outputs = stub.Predict(request, timeout=20).outputs
            return all(
                from_proto(proto).tolist() == values.astype(name).tolist()
                for name, proto in outputs.items()
                if name != "bfloat16"
            )

        assert _together(*(lambda n=n: ask(n) for n in range(30))) == [True] * 30


def test_a_request_that_the_model_refuses_is_the_only_one_that_fails(client: Client) -> None:
    def ask(text: str) -> Any:
        return client.predict({"text": [text]}, model="shout").strings("text")

    answers = _together(*(lambda t=t: ask(t) for t in ["ab", "bad!", *["c"] * 10]))

    assert answers[0] == ["1:ab:AB"]
    assert isinstance(answers[1], PredictionError)
    assert answers[1].code == Code.INVALID_ARGUMENT
    assert answers[2:] == [["1:c:?"]] * 10


def test_what_cannot_share_a_batch_runs_alone(client: Client) -> None:
    a, b = np.array([[1, 2, 3]], np.float32), np.array([[1], [10], [100]], np.float32)

    def product() -> Any:  # the inputs differ in their number of rows
        return client.predict({"a": a, "b": b}, model="numbers").outputs["product"].tolist()

    def scalar() -> Any:
        return float(client.predict({"x": np.float32(1)}, model="numbers", signature="scalar").outputs["x"])

    def wrong() -> Any:  # an output with one row whatever the input
        inputs = {"inputs": ["", "", ""]}
        return client.predict(inputs, model="judge", signature="wrong").outputs["outputs"].tolist()

    def abbreviated() -> Any:  # more rows than values
        return client.predict({"text": ["x"] * 100}, model="shout").outputs["text"].shape

    for call, expected in ((product, [[321.0]]), (scalar, 2.0), (wrong, [[1.0, 2.0]]), (abbreviated, (100,))):
        assert _together(*[call] * 6) == [expected] * 6


def test_a_tensor_that_lies_about_its_rows_hurts_nobody_else(server: RunningServer, client: Client) -> None:
    def lie(size: int, values: int) -> Any:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "numbers", "cast"
        tensor = request.inputs["x"]
        tensor.dtype = 9
        tensor.tensor_shape.dim.add().size = size
        tensor.tensor_content = np.arange(values, dtype=np.int64).tobytes()
        with grpc.insecure_channel(server.target) as channel:
            return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=20)

    def honest(number: int) -> Any:
        inputs = {"x": np.array([number])}
        prediction = client.predict(inputs, model="numbers", signature="cast", output_filter=["int64"])
        return prediction.outputs["int64"].tolist()

    answers = _together(lambda: lie(1, 2), lambda: lie(2, 1), *(lambda n=n: honest(n) for n in range(100, 110)))
    assert all(isinstance(answer, grpc.RpcError) for answer in answers[:2])
    assert answers[2:] == [[number] for number in range(100, 110)]


def test_parameters_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "batching.config"
    for content, message in (
        ("max_batch_size { value: 0 }", "max_batch_size is 0; give at least 1"),
        ("allowed_batch_sizes: 4 max_batch_size { value: 8 }", "must ascend and end with max_batch_size, 8"),
        ("nonsense", "is no BatchingParameters"),
    ):
        path.write_text(content)
        with pytest.raises(ServingError, match=message):
            read_batching_parameters(str(path), 2)
    ended = run_server(f"--serving_dir={tmp_path}", "--enable_batching", f"--batching_parameters_file={tmp_path / 'x'}")
    assert (ended.returncode, "x cannot be read: No such file" in ended.stderr) == (1, True)
    for flag in ("--batching_parameters_file=x", "--enable_per_model_batching_parameters"):
        ended = run_server(f"--serving_dir={tmp_path}", flag)
        assert (ended.returncode, "of no use without --enable_batching" in ended.stderr) == (2, True)
