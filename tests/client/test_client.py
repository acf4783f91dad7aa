"""The client against the real server, and against servers that misbehave."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from charseq_client import Client, PredictionError, Retries
from charseq_client.arrays import to_proto
from charseq_client.assertion import reason_of
from serving.contract.errors import Code
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, running_server
from tests.serving.scripted import Scripted

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, shout_models: dict[int, Path], numbers_model: Path, push: Push
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    push(shout_models[1], folder / "serving" / "shout", 1)
    push(numbers_model, folder / "serving" / "numbers", 7)
    arguments = ("--enable_serialization_as_tensor_content", "--grpc_channel_arguments=grpc.max_concurrent_streams=50")
    with running_server(folder, f"--serving_dir={folder / 'serving'}", *arguments) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.target, timeout=120) as client:
        yield client


def test_predict(client: Client) -> None:
    prediction = client.predict({"text": ["ab", "é"]}, model="shout", version=1)

    assert prediction.strings("text") == ["1:ab:AB", "1:é:?"]
    assert prediction.outputs["log_prob"].tolist() == [2.0, 2.0]
    assert (prediction.model, prediction.version, prediction.signature) == ("shout", 1, "serving_default")


def test_output_filter_and_signature(client: Client) -> None:
    prediction = client.predict({"text": [b"\xff"]}, model="shout", signature="same", output_filter=["second"])

    assert {name: array.tolist() for name, array in prediction.outputs.items()} == {"second": [b"\xff"]}


def test_all_numbers_as_tensor_content(client: Client) -> None:
    prediction = client.predict(
        {"x": np.array([0, 3])},
        model="numbers",
        signature="cast",
        output_filter=["float16", "complex64", "bool", "int64"],
    )

    assert {name: array.dtype.name for name, array in prediction.outputs.items()} == {
        name: name for name in ("float16", "complex64", "bool", "int64")
    }
    assert prediction.outputs["float16"].tolist() == [0.0, 3.0]


def test_metadata_and_status(client: Client) -> None:
    assert client.metadata("shout")["serving_default"].outputs["log_prob"].dtype == 1
    (status,) = client.status("shout")
    assert (status.version, status.state, status.error_code) == (1, "AVAILABLE", Code.OK)
    assert client.wait_until_available("shout", version=1) == 1
    with pytest.raises(PredictionError, match=r"not available within 0\.2 s.*Could not find any versions of model m"):
        client.wait_until_available("m", timeout=0.2)


def test_a_refused_input_is_explained_in_one_line(client: Client) -> None:
    with pytest.raises(PredictionError) as caught:
        client.predict({"text": ["é!"]}, model="shout")

    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.reason == 'text[0]: character "!" in "é!" is not one this model knows'


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Servable not found for request: Latest(m)", "Servable not found for request: Latest(m)"),
        ("first line\n\t [[{{node x}}]]", "first line"),
        ('assertion failed: [text[0]: "]" and [b] here]\n\t [[{{node a/Assert}}]]', 'text[0]: "]" and [b] here'),
        (r"assertion failed: [a \"b\" \\ \303\251 \n] [1 2]" + "\n\t [[{{node a}}]]", 'a "b" \\ é'),
        ("assertion failed: [too long...TRUNCATED", "too long"),
        ("assertion failed: [plain]", "plain"),
    ],
)
def test_reason_of(message: str, reason: str) -> None:
    assert reason_of(message) == reason


def test_a_batch_is_split_and_put_together_again(server: RunningServer) -> None:
    texts = [f"text {number}" for number in range(10)]
    with Client(server.target, max_batch_size=4) as client:
        prediction = client.predict({"text": texts}, model="shout")
        assert prediction.strings("text") == [f"1:{text}:?" for text in texts]
        assert prediction.outputs["log_prob"].shape == (10,)
        with pytest.raises(ValueError, match="differ in their number of rows"):
            client.predict({"text": texts, "other": ["a", "b"]}, model="shout")


def test_unavailable_is_retried_and_nothing_else(scripted: Scripted) -> None:
    unavailable = grpc.StatusCode.UNAVAILABLE
    servicer, target = scripted(unavailable, unavailable, 3)
    with Client(target, retries=Retries(first_backoff_s=0.01)) as client:
        assert client.predict({"x": [1]}, model="m").version == 3
    assert len(servicer.seen) == 3

    for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED):
        servicer, target = scripted(code, 3)
        with Client(target) as client, pytest.raises(PredictionError) as caught:
            client.predict({"x": [1]}, model="m")
        assert caught.value.code.name == code.name
        assert len(servicer.seen) == 1


def test_retries_end_with_the_attempts_and_with_the_deadline(scripted: Scripted) -> None:
    servicer, target = scripted(*[grpc.StatusCode.UNAVAILABLE] * 9)
    three = Retries(max_attempts=3, first_backoff_s=0.01)
    with Client(target, retries=three) as client, pytest.raises(PredictionError, match="scripted UNAVAILABLE"):
        client.predict({"x": [1]}, model="m")
    assert len(servicer.seen) == 3

    started = time.monotonic()
    with Client("127.0.0.1:1", timeout=0.5) as client, pytest.raises(PredictionError) as caught:
        client.predict({"x": [1]}, model="m")
    assert caught.value.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
    assert time.monotonic() - started < 1.5


def test_all_parts_of_a_batch_come_from_one_version(scripted: Scripted) -> None:
    # Version 1 answers the first part and is gone at the second; version 2 answers all of it.
    servicer, target = scripted(1, grpc.StatusCode.NOT_FOUND, 2, 2, 2)
    with Client(target, max_batch_size=2) as client:
        prediction = client.predict({"x": [1, 2, 3, 4, 5]}, model="m")

    assert prediction.version == 2
    assert prediction.outputs["y"].tolist() == [2] * 5
    asked = [request.model_spec.version.value for request in servicer.seen]
    assert asked == [0, 1, 0, 2, 2]


def test_an_input_of_one_row_goes_to_every_part(scripted: Scripted) -> None:
    servicer, target = scripted(1, 1)
    with Client(target, max_batch_size=2) as client:
        client.predict({"x": [1, 2, 3], "length": [20], "scalar": "abc"}, model="m")

    assert [request.inputs["x"].tensor_shape.dim[0].size for request in servicer.seen] == [2, 1]
    for request in servicer.seen:
        assert request.inputs["length"] == to_proto("length", [20])
        assert request.inputs["scalar"] == to_proto("scalar", "abc")


def test_a_client_serves_many_threads(client: Client) -> None:
    wrong = []

    def call(number: int) -> None:
        for _ in range(20):
            if client.predict({"text": [str(number)]}, model="shout").strings("text") != [f"1:{number}:?"]:
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong


def test_version_and_label_exclude_each_other(client: Client) -> None:
    with pytest.raises(ValueError, match="not both"):
        client.predict({"text": ["a"]}, model="shout", version=1, label="stable")
