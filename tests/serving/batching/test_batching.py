"""Dynamic batching: the same answers as without it, whoever shares the batch."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from charseq_client import Client, PredictionError
from charseq_client.arrays import from_proto, to_proto
from charseq_client.messages import PredictionServiceStub, predict_pb2
from serving.contract.errors import Code, ServingError
from serving.free_port import free_port
from serving.server.batching.parameters import read_batching_parameters
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, run_server, running_server

pytestmark = pytest.mark.e2e


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
    with Client(server.target, timeout=120) as client:
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
        stub = PredictionServiceStub(channel)

        def ask(number: int) -> bool:
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = "numbers", "cast"
            values = np.arange(number, number + 1 + number % 3)
            tensor = request.inputs["x"]
            tensor.CopyFrom(to_proto("x", values))
            if number % 2:  # one value per element instead of the bytes
                tensor.ClearField("tensor_content")
                tensor.int64_val.extend(values.tolist())
            outputs = stub.Predict(request, timeout=120).outputs
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


def _refused(call: Callable[[], Any]) -> tuple[Code, str]:
    with pytest.raises(PredictionError) as caught:
        call()
    return caught.value.code, caught.value.message


def test_what_cannot_be_batched_is_refused_as_by_tensorflow_serving(client: Client) -> None:
    a, b = np.array([[1, 2, 3]], np.float32), np.array([[1], [10], [100]], np.float32)
    for call, code, message in (
        (
            lambda: client.predict({"a": a, "b": b}, model="numbers"),
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        ),
        (
            lambda: client.predict({"x": np.float32(1)}, model="numbers", signature="scalar"),
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        ),
        (
            lambda: client.predict({"text": np.array(b"ab", object)}, model="shout"),
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        ),
        (  # one row, whatever the input
            lambda: client.predict({"inputs": ["", "", ""]}, model="judge", signature="wrong"),
            Code.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input tensors",
        ),
        (
            lambda: client.predict({"x": np.float32([1])}, model="numbers", signature="total"),
            Code.FAILED_PRECONDITION,
            "Batched output tensor has 0 dimensions",
        ),
    ):
        assert _refused(call) == (code, message)
        for answer in _together(*[call] * 6):
            assert (answer.code, answer.message) == (code, message)


def test_more_rows_than_a_batch(client: Client, server: RunningServer) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "shout"
    request.inputs["text"].CopyFrom(to_proto("text", ["ab"] * 33))
    with grpc.insecure_channel(server.target) as channel:
        stub = PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request, timeout=120)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "Task size 33 is larger than maximum input batch size 32"
    # Our clients learn from that, and split.
    for _ in range(2):
        assert client.predict({"text": ["ab"] * 100}, model="shout").strings("text") == ["1:ab:AB"] * 100


def test_no_rows_and_abbreviated_rows(client: Client, server: RunningServer) -> None:
    nothing = {"x": np.zeros([0], np.int64)}
    answer = client.predict(nothing, model="numbers", signature="cast", output_filter=["int64"])
    assert answer.outputs["int64"].size == 0
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "numbers", "cast"
    request.output_filter.append("int64")
    tensor = request.inputs["x"]
    tensor.CopyFrom(to_proto("x", np.array([7])))
    tensor.ClearField("tensor_content")
    tensor.int64_val.append(7)
    with grpc.insecure_channel(server.target) as channel:
        stub = PredictionServiceStub(channel)
        tensor.tensor_shape.dim[0].size = 20
        assert from_proto(stub.Predict(request, timeout=120).outputs["int64"]).tolist() == [7] * 20
        tensor.tensor_shape.dim[0].size = 1000
        with pytest.raises(grpc.RpcError, match="Task size 1000 is larger"):
            stub.Predict(request, timeout=120)


def test_large_requests_are_split_where_the_parameters_say_so(
    tmp_path: Path, shout_models: dict[int, Path], numbers_model: Path, push: Push
) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    push(numbers_model, tmp_path / "serving" / "numbers", 1)
    (tmp_path / "batching.config").write_text(
        "max_batch_size { value: 100 } enable_large_batch_splitting { value: true }\n"
        "max_execution_batch_size { value: 8 } max_enqueued_batches { value: 20 }"
    )
    arguments = ("--enable_batching", f"--batching_parameters_file={tmp_path / 'batching.config'}")
    with (
        running_server(
            tmp_path, f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}", *arguments
        ) as server,
        Client(server.target, timeout=120) as client,
    ):

        def ask(number: int) -> bool:
            texts = [f"{number}.{row}" for row in range(1 + number * 7 % 100)]
            prediction = client.predict({"text": texts}, model="shout")
            assert prediction.outputs["log_prob"].tolist() == [float(len(text)) for text in texts]
            return prediction.strings("text") == [f"1:{text}:?" for text in texts]

        assert _together(*(lambda n=n: ask(n) for n in range(20))) == [True] * 20
        x = np.arange(99)
        answer = client.predict({"x": x}, model="numbers", signature="cast", output_filter=["int64", "bool"])
        assert answer.outputs["int64"].tolist() == x.tolist()
        assert answer.outputs["bool"].tolist() == [False, *[True] * 98]
        bad = [*["ab"] * 50, "bad!", *["ab"] * 40]
        assert "is not one this model knows" in _refused(lambda: client.predict({"text": bad}, model="shout"))[1]
        url = f"{server.rest_url}/v1/models/shout:predict"
        for rows, status in ((100, 200), (101, 400)):
            body = json.dumps({"instances": ["ab"] * rows}).encode()
            try:
                with urllib.request.urlopen(url, body, timeout=120) as response:
                    found = response.status, len(json.load(response)["predictions"])
            except urllib.error.HTTPError as error:
                found = error.code, json.load(error)["error"]
            told = rows if status == 200 else "Task size 101 is larger than maximum input batch size 100"
            assert found == (status, told)


def test_a_tensor_that_lies_about_its_rows_hurts_nobody_else(server: RunningServer, client: Client) -> None:
    def lie(size: int, values: int) -> Any:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "numbers", "cast"
        tensor = request.inputs["x"]
        tensor.dtype = 9
        tensor.tensor_shape.dim.add().size = size
        tensor.tensor_content = np.arange(values, dtype=np.int64).tobytes()
        with grpc.insecure_channel(server.target) as channel:
            return PredictionServiceStub(channel).Predict(request, timeout=120)

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
        (
            "max_batch_size { value: 8 } max_execution_batch_size { value: 9 } "
            "enable_large_batch_splitting { value: true }",
            "max_execution_batch_size is 9; give at most max_batch_size, 8",
        ),
    ):
        path.write_text(content)
        with pytest.raises(ServingError, match=message):
            read_batching_parameters(str(path), 2)
    ended = run_server(f"--serving_dir={tmp_path}", "--enable_batching", f"--batching_parameters_file={tmp_path / 'x'}")
    assert (ended.returncode, "x cannot be read: No such file" in ended.stderr) == (1, True)
    for flag in ("--batching_parameters_file=x", "--enable_per_model_batching_parameters"):
        ended = run_server(f"--serving_dir={tmp_path}", flag)
        assert (ended.returncode, "of no use without --enable_batching" in ended.stderr) == (2, True)
