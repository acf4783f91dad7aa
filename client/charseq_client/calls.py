"""What a client does for a call, blocking or not: requests, retries, the parts of a batch.

Each call is a generator of steps, messages to send and pauses to make. A client does them, each in its own way of
waiting, sends back what the server answered or throws what it refused with, and gets the result of the whole.
"""

import random
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import grpc

from charseq_client.answers import (
    Prediction,
    PredictionError,
    VersionStatus,
    read_error,
    read_prediction,
    read_signatures,
    read_statuses,
)
from charseq_client.arrays import Value, to_tensor
from charseq_client.codes import Code
from charseq_client.messages import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from charseq_client.tensors import Tensor

# How a server that batches refuses a request of too many rows. That it batches says that the rows can be split.
_TOO_MANY_ROWS = re.compile(r"Task size \d+ is larger than maximum input batch size (\d+)")

_MAX_MESSAGE_BYTES = 2**31 - 1
_POLL_SECONDS = 0.05
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Retries:
    """When a call is tried again. Only UNAVAILABLE is: such a call did not run.

    Attributes:
      max_attempts: Attempts in all.
      first_backoff_s: Mean wait before the second attempt; it doubles from one to the next.
      max_backoff_s: The longest wait.
    """

    max_attempts: int = 5
    first_backoff_s: float = 0.1
    max_backoff_s: float = 2.0

    def backoffs(self) -> Iterator[float]:
        """Gives the wait before each further attempt, in seconds, with jitter so that clients do not march in step."""
        for attempt in range(self.max_attempts - 1):
            mean = min(self.first_backoff_s * 2**attempt, self.max_backoff_s)
            yield mean * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Send:
    """A step: send a message. The answer is sent back, or the ``grpc.RpcError`` thrown.

    Attributes:
      method: The method of the service.
      request: The message.
      timeout: Longest time in seconds.
    """

    method: Literal["Predict", "GetModelMetadata", "GetModelStatus"]
    request: Any
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A step: do nothing for some seconds."""

    seconds: float


Steps = Generator[Send | Pause, Any, _Result]


def channel_arguments(options: Sequence[tuple[str, int | str]]) -> tuple[tuple[str, int | str], ...]:
    """Returns the options of a client's channel; those given win over the defaults."""
    defaults: dict[str, int | str] = {
        "grpc.max_receive_message_length": _MAX_MESSAGE_BYTES,
        "grpc.max_send_message_length": _MAX_MESSAGE_BYTES,
        # A server that restarts should be found again sooner than gRPC's own 1 to 120 seconds.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.min_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 2000,
    }
    return tuple((defaults | dict(options)).items())


class Calls:
    """The steps of every call of a client, whose methods have the same names, arguments and errors."""

    def __init__(self, timeout: float, retries: Retries | None, max_batch_size: int | None) -> None:
        """Keeps a client's settings."""
        if max_batch_size is not None and max_batch_size < 1:
            raise ValueError(f"max_batch_size is {max_batch_size}; give at least 1.")
        self._timeout = timeout
        self._retries = retries or Retries()
        self._max_batch_size = max_batch_size
        self._learned: dict[tuple[str, str], int] = {}  # most rows, of the models and signatures that refused more

    def predict(
        self,
        inputs: Mapping[str, Value],
        model: str,
        version: int | None,
        label: str | None,
        signature: str,
        output_filter: Sequence[str] | None,
        timeout: float | None,
    ) -> Steps[Prediction]:
        """Runs a model."""
        request = predict_pb2.PredictRequest()
        _fill_model_spec(request.model_spec, model, version, label)
        request.model_spec.signature_name = signature
        request.output_filter.extend(output_filter or ())
        tensors = {name: to_tensor(name, value) for name, value in inputs.items()}
        deadline = self._deadline(timeout)
        rows = max((tensor.shape[0] for tensor in tensors.values() if tensor.shape), default=1)
        asked = model, signature
        while True:
            limits = (self._max_batch_size, self._learned.get(asked), rows)
            limit = min(limit for limit in limits if limit is not None)
            try:
                if limit < rows:
                    return (yield from self._predict_in_parts(request, tensors, rows, limit, deadline))
                for name, tensor in tensors.items():
                    request.inputs[name].CopyFrom(tensor.to_proto())
                return read_prediction([(yield from self._send("Predict", request, deadline))])
            except PredictionError as error:
                found = _TOO_MANY_ROWS.search(error.message)
                if found is None or not 0 < int(found[1]) < limit:
                    raise
                self._learned[asked] = int(found[1])

    def metadata(self, model: str, version: int | None, label: str | None) -> Steps[dict[str, Any]]:
        """Asks for the signatures of a model."""
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        _fill_model_spec(request.model_spec, model, version, label)
        request.metadata_field.append("signature_def")
        return read_signatures((yield from self._send("GetModelMetadata", request, self._deadline())))

    def status(self, model: str, version: int | None) -> Steps[list[VersionStatus]]:
        """Asks for the states of a model's versions."""
        request = get_model_status_pb2.GetModelStatusRequest()
        _fill_model_spec(request.model_spec, model, version, None)
        return read_statuses((yield from self._send("GetModelStatus", request, self._deadline())))

    def wait_until_available(self, model: str, version: int | None, timeout: float) -> Steps[int]:
        """Waits until a model can be called."""
        deadline = self._deadline(timeout)
        heard = "nothing was heard of it"
        while (left := deadline - time.monotonic()) > 0:
            try:
                statuses = yield from self.status(model, version)
            except PredictionError as error:
                heard = str(error)
            else:
                available = [status.version for status in statuses if status.state == "AVAILABLE"]
                if available:
                    return max(available)
                heard = "; ".join(f"version {s.version} is {s.state} {s.error_message}".strip() for s in statuses)
            yield Pause(min(_POLL_SECONDS, left))
        raise PredictionError(Code.DEADLINE_EXCEEDED, f"Model {model} was not available within {timeout:g} s: {heard}")

    def _deadline(self, timeout: float | None = None) -> float:
        return time.monotonic() + (self._timeout if timeout is None else timeout)

    def _predict_in_parts(
        self, request: Any, tensors: Mapping[str, Tensor], rows: int, limit: int, deadline: float
    ) -> Steps[Prediction]:
        """Sends a batch in parts. All of them are answered by the version that answered the first."""
        shared = {name for name, tensor in tensors.items() if not tensor.shape or tensor.shape[0] == 1}
        lengths = {name: tensor.shape[0] for name, tensor in tensors.items() if name not in shared}
        unequal = {name: length for name, length in lengths.items() if length != rows}
        if unequal:
            raise ValueError(f"Inputs differ in their number of rows: {unequal} against {rows}; give {rows} or 1.")
        pinned = predict_pb2.PredictRequest()
        while True:
            pinned.CopyFrom(request)
            responses: list[Any] = []
            try:
                for start in range(0, rows, limit):
                    pinned.ClearField("inputs")
                    for name, tensor in tensors.items():
                        part = tensor if name in shared else tensor.rows(start, start + limit)
                        pinned.inputs[name].CopyFrom(part.to_proto())
                    responses.append((yield from self._send("Predict", pinned, deadline)))
                    pinned.model_spec.version.value = responses[0].model_spec.version.value
                return read_prediction(responses)
            except PredictionError as error:
                replaced = error.code == Code.NOT_FOUND and responses and not request.model_spec.HasField("version")
                if not replaced:
                    raise
                # The version was unloaded between two parts: all of it again from its successor.

    def _send(
        self, method: Literal["Predict", "GetModelMetadata", "GetModelStatus"], request: Any, deadline: float
    ) -> Steps[Any]:
        """Sends, again where the server was not available, until the deadline (on time.monotonic())."""
        backoffs = self._retries.backoffs()
        while True:
            try:
                return (yield Send(method, request, max(deadline - time.monotonic(), 0.0)))
            except grpc.RpcError as error:
                wait_s = next(backoffs, None) if error.code() == grpc.StatusCode.UNAVAILABLE else None
                if wait_s is None or time.monotonic() + wait_s >= deadline:
                    raise read_error(error) from error
            yield Pause(wait_s)


def _fill_model_spec(spec: Any, model: str, version: int | None, label: str | None) -> None:
    if version is not None and label is not None:
        raise ValueError(f"Give a version ({version}) or a label ({label}), not both.")
    spec.name = model
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
