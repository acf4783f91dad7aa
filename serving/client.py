"""A client for TensorFlow Serving and for the built-in server, which imports no TensorFlow.

>>> with Client("localhost:8500") as client:
...     client.predict({"text": ["12+34"]}, model="sums").strings("text")
['46']
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import numpy as np

from serving.arrays import Array, Value, as_array, from_proto, to_proto
from serving.assertion import reason_of
from serving.errors import Code
from serving.stubs import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

DEFAULT_SIGNATURE = "serving_default"
_MAX_MESSAGE_BYTES = 2**31 - 1
_Result = TypeVar("_Result")


class PredictionError(Exception):
    """A call that a server refused, or that did not reach one.

    Attributes:
      code: The gRPC status code, for example ``INVALID_ARGUMENT``.
      message: The server's whole message.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    @property
    def reason(self) -> str:
        """The one line of the message that is for people: what a model's assertion said, else the first line."""
        return reason_of(self.message)


@dataclass(frozen=True)
class Prediction:
    """An answer.

    Attributes:
      outputs: Output name to array; strings are arrays of bytes objects.
      model: The model that answered.
      version: Its version.
      signature: The signature that ran.
    """

    outputs: dict[str, Array]
    model: str
    version: int
    signature: str

    def strings(self, name: str) -> list[str]:
        """Returns a string output as text, one per element; bytes that are not UTF-8 become surrogate escapes."""
        return [value.decode("utf-8", "surrogateescape") for value in self.outputs[name].ravel().tolist()]


@dataclass(frozen=True)
class VersionStatus:
    """What a server says of one version of a model.

    Attributes:
      version: The version.
      state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
      error_code: ``OK``, or what went wrong when it was loaded.
      error_message: Likewise, in words.
    """

    version: int
    state: str
    error_code: Code
    error_message: str


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


class Client:
    """Calls one server, blocking. Safe from many threads at a time; close it or use it as a context manager."""

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 30.0,
        retries: Retries | None = None,
        max_batch_size: int | None = None,
        credentials: Any = None,
        compression: Any = None,
        channel_options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        """Prepares the connection; it is made at the first call.

        Args:
          target: ``HOST:PORT`` or any other gRPC target.
          timeout: Longest time for a call in seconds, its retries and the parts of a split batch included. The server
            gets it as the call's deadline.
          retries: When to try again.
          max_batch_size: Most rows to send at a time; more are split, and the parts answered by one version.
          credentials: A ``grpc.ChannelCredentials`` for TLS; none for plain text.
          compression: A ``grpc.Compression``.
          channel_options: Further options of the gRPC channel.
        """
        if max_batch_size is not None and max_batch_size < 1:
            raise ValueError(f"max_batch_size is {max_batch_size}; give at least 1.")
        self._timeout = timeout
        self._retries = retries or Retries()
        self._max_batch_size = max_batch_size
        options = {
            "grpc.max_receive_message_length": _MAX_MESSAGE_BYTES,
            "grpc.max_send_message_length": _MAX_MESSAGE_BYTES,
            # A server that restarts should be found again sooner than gRPC's own 1 to 120 seconds.
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.min_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 2000,
            **dict(channel_options),
        }
        arguments = {"options": tuple(options.items()), "compression": compression}
        if credentials is None:
            self._channel = grpc.insecure_channel(target, **arguments)
        else:
            self._channel = grpc.secure_channel(target, credentials, **arguments)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(
        self,
        inputs: Mapping[str, Value],
        *,
        model: str,
        version: int | None = None,
        label: str | None = None,
        signature: str = DEFAULT_SIGNATURE,
        output_filter: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> Prediction:
        """Runs a model.

        Args:
          inputs: Input name to values; see :func:`serving.arrays.to_proto` for the types that Python values get. Rows
            are the first dimension; where a batch is split, an input with one row goes to every part.
          model: The model's name.
          version: Its version; the latest that is served if neither this nor ``label`` is given.
          label: The label of a version, for example ``stable``.
          signature: The signature to run.
          output_filter: Names of the outputs wanted; all by default.
          timeout: Longest time in seconds, in place of the client's.

        Returns:
          The answer, with the version that gave it.

        Raises:
          PredictionError: the server refused or could not be reached.
          ValueError: the arguments cannot be sent.
        """
        request = predict_pb2.PredictRequest()
        _fill_model_spec(request.model_spec, model, version, label)
        request.model_spec.signature_name = signature
        request.output_filter.extend(output_filter or ())
        arrays = {name: as_array(name, value) for name, value in inputs.items()}
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        rows = max((len(array) for array in arrays.values() if array.ndim), default=1)
        if self._max_batch_size is not None and rows > self._max_batch_size:
            return self._predict_in_parts(request, arrays, rows, self._max_batch_size, deadline)
        for name, array in arrays.items():
            request.inputs[name].CopyFrom(to_proto(name, array))
        return _prediction([self._call(self._predictions.Predict, request, deadline)])

    def metadata(self, model: str, *, version: int | None = None, label: str | None = None) -> dict[str, Any]:
        """Returns the signatures of a model: key to ``tensorflow.SignatureDef``.

        Raises:
          PredictionError: the server refused or could not be reached.
        """
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        _fill_model_spec(request.model_spec, model, version, label)
        request.metadata_field.append("signature_def")
        response = self._call(self._predictions.GetModelMetadata, request, time.monotonic() + self._timeout)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return dict(signatures.signature_def)

    def status(self, model: str, *, version: int | None = None) -> list[VersionStatus]:
        """Returns the states of a model's versions, highest version first.

        Raises:
          PredictionError: the server refused, or could not be reached.
        """
        request = get_model_status_pb2.GetModelStatusRequest()
        _fill_model_spec(request.model_spec, model, version, None)
        response = self._call(self._models.GetModelStatus, request, time.monotonic() + self._timeout)
        return [
            VersionStatus(
                entry.version,
                get_model_status_pb2.ModelVersionStatus.State.Name(entry.state),
                Code(entry.status.error_code),
                entry.status.error_message,
            )
            for entry in response.model_version_status
        ]

    def wait_until_available(self, model: str, *, version: int | None = None, timeout: float = 30.0) -> int:
        """Waits until a model can be called.

        Args:
          model: The model.
          version: The version; None for any.
          timeout: Longest wait in seconds.

        Returns:
          The highest version that is available.

        Raises:
          PredictionError: DEADLINE_EXCEEDED after ``timeout``, with the last that was heard of the model.
        """
        deadline = time.monotonic() + timeout
        heard = "nothing was heard of it"
        while (left := deadline - time.monotonic()) > 0:
            try:
                statuses = self.status(model, version=version)
            except PredictionError as error:
                heard = str(error)
            else:
                available = [status.version for status in statuses if status.state == "AVAILABLE"]
                if available:
                    return max(available)
                heard = "; ".join(f"version {s.version} is {s.state} {s.error_message}".strip() for s in statuses)
            time.sleep(min(0.05, left))
        raise PredictionError(Code.DEADLINE_EXCEEDED, f"Model {model} was not available within {timeout:g} s: {heard}")

    def close(self) -> None:
        """Closes the connection; calls in progress end with CANCELLED."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _predict_in_parts(
        self, request: Any, arrays: Mapping[str, Array], rows: int, limit: int, deadline: float
    ) -> Prediction:
        """Sends a batch in parts. All of them are answered by the version that answered the first."""
        shared = {name for name, array in arrays.items() if not array.ndim or len(array) == 1}
        unequal = {name: len(array) for name, array in arrays.items() if name not in shared and len(array) != rows}
        if unequal:
            raise ValueError(f"Inputs differ in their number of rows: {unequal} against {rows}; give {rows} or 1.")
        pinned = predict_pb2.PredictRequest()
        while True:
            pinned.CopyFrom(request)
            responses: list[Any] = []
            try:
                for start in range(0, rows, limit):
                    pinned.ClearField("inputs")
                    for name, array in arrays.items():
                        part = array if name in shared else array[start : start + limit]
                        pinned.inputs[name].CopyFrom(to_proto(name, part))
                    responses.append(self._call(self._predictions.Predict, pinned, deadline))
                    pinned.model_spec.version.value = responses[0].model_spec.version.value
                return _prediction(responses)
            except PredictionError as error:
                replaced = error.code == Code.NOT_FOUND and responses and not request.model_spec.HasField("version")
                if not replaced:
                    raise
                # The version was unloaded between two parts: all of it again from its successor.

    def _call(self, method: Callable[..., _Result], request: Any, deadline: float) -> _Result:
        """Calls, again where the server was not available, until the deadline (on time.monotonic())."""
        backoffs = self._retries.backoffs()
        while True:
            try:
                return method(request, timeout=max(deadline - time.monotonic(), 0.0))
            except grpc.RpcError as error:
                wait_s = next(backoffs, None) if error.code() == grpc.StatusCode.UNAVAILABLE else None
                if wait_s is None or time.monotonic() + wait_s >= deadline:
                    raise PredictionError(Code(error.code().value[0]), error.details() or "") from error
                time.sleep(wait_s)


def _fill_model_spec(spec: Any, model: str, version: int | None, label: str | None) -> None:
    if version is not None and label is not None:
        raise ValueError(f"Give a version ({version}) or a label ({label}), not both.")
    spec.name = model
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label


def _prediction(responses: Sequence[Any]) -> Prediction:
    """Puts the answers to the parts of a batch together."""
    spec = responses[0].model_spec
    parts = [{name: from_proto(proto) for name, proto in response.outputs.items()} for response in responses]
    outputs = {
        name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else array
        for name, array in parts[0].items()
    }
    return Prediction(outputs, spec.name, spec.version.value, spec.signature_name)
