"""Malformed requests: the process stays up, its memory stays bounded, and good requests in between are answered."""

import json
import random
import socket
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from charseq_client import Client
from charseq_client.arrays import to_proto
from charseq_client.messages import predict_pb2, types_pb2
from serving.free_port import free_port
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, running_server

pytestmark = pytest.mark.e2e

_METHODS = (
    *("PredictionService/Predict", "PredictionService/Classify", "PredictionService/Regress"),
    *("PredictionService/MultiInference", "PredictionService/GetModelMetadata"),
    *("ModelService/GetModelStatus", "ModelService/HandleReloadConfigRequest", "PredictionService/Nothing"),
)
_MODELS = ("shout", "numbers", "judge", "m", "", "\0")
_SIGNATURES = ("", "same", "cast", "scalar", "classify", "regress", "raw", "s", "__saved_model_init_op")
_INPUTS = ("text", "a", "b", "x", "inputs", "image_bytes", "")


class Fuzzer:
    """Makes malformed requests of every kind and sends them."""

    def __init__(self, server: RunningServer, channel: Any, seed: int) -> None:
        self._chance = random.Random(seed)
        self._server, self._channel = server, channel
        self._kinds: tuple[Callable[[], None], ...] = (
            *(self.random_bytes, self.broken_message, self.wrong_tensors, self.rest_values, self.rest_bytes),
            *(self.deep_json, self.broken_http, self.half_closed),
        )

    def send(self) -> None:
        """Sends one; an answer of any kind is fine, no answer is not."""
        self._chance.choice(self._kinds)()

    def _grpc(self, method: str, message: bytes) -> None:
        call = self._channel.unary_unary(f"/tensorflow.serving.{method}").future(message, timeout=120)
        code, details = call.code(), call.details() or ""
        assert code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), (method, message, details)
        assert "Internal error of the server" not in details, (method, message, details)

    def random_bytes(self) -> None:
        self._grpc(self._chance.choice(_METHODS), self._chance.randbytes(self._chance.randrange(200)))

    def broken_message(self) -> None:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "shout"
        request.inputs["text"].CopyFrom(to_proto("text", ["ab"]))
        content = bytearray(request.SerializeToString())
        for _ in range(self._chance.randrange(1, 4)):
            content[self._chance.randrange(len(content))] = self._chance.randrange(256)
        self._grpc(self._chance.choice(_METHODS[:6]), bytes(content[: self._chance.randrange(len(content) + 1)]))

    def wrong_tensors(self) -> None:
        chance, request = self._chance, predict_pb2.PredictRequest()
        request.model_spec.name = chance.choice(_MODELS)
        request.model_spec.signature_name = chance.choice(_SIGNATURES)
        if chance.random() < 0.2:
            request.model_spec.version.value = chance.choice((-1, 0, 1, 2**63 - 1))
        if chance.random() < 0.2:
            request.output_filter.append(chance.choice(("text", "log_prob", "nothing")))
        for _ in range(chance.randrange(3)):
            tensor = request.inputs[chance.choice(_INPUTS)]
            tensor.dtype = chance.choice((*types_pb2.DataType.values(), 9999))
            for _ in range(chance.randrange(4)):
                tensor.tensor_shape.dim.add().size = chance.choice((-5, -1, 0, 1, 2, 3, 2**31, 2**40, 2**62, 2**63 - 1))
            tensor.tensor_shape.unknown_rank = chance.random() < 0.1
            tensor.float_val.extend([1.5] * chance.randrange(4))
            tensor.int64_val.extend([chance.choice((0, -(2**63)))] * chance.randrange(3))
            tensor.string_val.extend([chance.randbytes(3)] * chance.randrange(3))
            tensor.tensor_content = chance.randbytes(chance.choice((0, 0, 1, 4, 24, 1000)))
        self._grpc("PredictionService/Predict", request.SerializeToString())

    def _value(self, depth: int = 0) -> Any:
        chance = self._chance
        kind = chance.randrange(9 if depth < 4 else 6)
        if kind == 0:
            return chance.choice((0, -1, 1.5, 2**31, 2**63, 10**40, float("nan"), float("inf"), True, None))
        if kind < 6:
            return "".join(chance.choices(string.printable + "é\ud800\U0001f600", k=chance.randrange(6)))
        if kind == 6:
            return {chance.choice(("b64", "text", "a", "x")): self._value(depth + 1) for _ in range(2)}
        return [self._value(depth + 1) for _ in range(chance.randrange(4))]

    def _rest(self, content: bytes, path: str = "") -> None:
        chance = self._chance
        verb = chance.choice(("predict", "predict", "classify", "regress", "other"))
        path = path or f"/v1/models/{chance.choice(('shout', 'numbers', 'judge', 'm', '%00', '..'))}:{verb}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        answer = self._raw(head.encode() + content)
        assert answer.startswith(b"HTTP/1.1 "), answer
        assert b"Internal error of the server" not in answer, (path, content, answer)
        assert not answer.startswith(b"HTTP/1.1 500"), (path, content, answer)

    def _raw(self, data: bytes, *, close: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", self._server.rest_port), timeout=120) as connection:
            try:
                connection.sendall(data)
                if close:
                    connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65536), b""))
            except (ConnectionResetError, BrokenPipeError):
                return b""  # refused before it was read to its end

    def rest_values(self) -> None:
        chance = self._chance
        body = {chance.choice(("instances", "inputs", "examples", "x")): self._value()}
        if chance.random() < 0.5:
            body["signature_name"] = chance.choice((*_SIGNATURES, 1, None))
        if chance.random() < 0.2:
            body["context"] = self._value()
        self._rest(json.dumps(body).encode())

    def rest_bytes(self) -> None:
        chance = self._chance
        content = bytearray(json.dumps({"instances": [self._value()]}).encode())
        content[chance.randrange(len(content))] = chance.randrange(256)
        self._rest(bytes(content[: chance.randrange(len(content) + 1)]))

    def deep_json(self) -> None:
        depth = self._chance.choice((200, 255, 1000, 50_000))
        opening, closing = self._chance.choice(((b"[", b"]"), (b'{"b64":', b"}")))
        self._rest(b'{"instances":' + opening * depth + b"1" + closing * depth + b"}", "/v1/models/shout:predict")

    def broken_http(self) -> None:
        chance = self._chance
        self._raw(
            chance.choice(
                (
                    chance.randbytes(100) + b"\r\n\r\n",
                    b"GET / HTTP/9.9\r\n\r\n",
                    b"POST /v1/models/shout:predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"POST /v1/models/shout:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
                    b"POST /v1/models/shout:predict HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
                )
            ),
            close=True,
        )

    def half_closed(self) -> None:
        head = b"POST /v1/models/shout:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
        self._raw(head, close=True)


@pytest.mark.parametrize("count", [1500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_malformed_requests(
    tmp_path: Path,
    shout_models: dict[int, Path],
    numbers_model: Path,
    judge_model: Path,
    push: Push,
    count: int,
) -> None:
    serving_dir = tmp_path / "serving"
    push(shout_models[1], serving_dir / "shout", 1)
    push(numbers_model, serving_dir / "numbers", 1)
    push(judge_model, serving_dir / "judge", 1)
    arguments = (f"--serving_dir={serving_dir}", f"--rest_api_port={free_port()}", "--rest_api_max_body_mib=1")
    with (
        running_server(tmp_path, *arguments) as server,
        grpc.insecure_channel(server.target) as channel,
        Client(server.target) as client,
    ):
        fuzzer = Fuzzer(server, channel, seed=count)
        silent = [socket.create_connection(("127.0.0.1", server.rest_port)) for _ in range(50)]
        resident = []
        for number in range(count):
            fuzzer.send()
            if number % 50 == 0:
                assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["1:ab:AB"]
            if number % (count // 10) == count // 10 - 1:
                resident.append(server.resident_mib())
        for connection in silent:
            connection.close()

        assert resident[-1] < resident[2] + 30, resident
        assert "Traceback" not in server.log.read_text()


def test_messages_that_cannot_be_parsed_leave_nothing_behind(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, f"--serving_dir={tmp_path}") as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

        def send(times: int) -> float:
            for _ in range(times):
                with pytest.raises(grpc.RpcError) as caught:
                    predict(b"\xff\xff", timeout=120)
            assert caught.value.code() == grpc.StatusCode.INTERNAL
            assert caught.value.details() == "The request is no tensorflow.serving.PredictRequest."
            return server.resident_mib()

        before = send(300)
        # gRPC's own handling of it would have kept 14 KiB of each.
        assert send(1500) < before + 5
