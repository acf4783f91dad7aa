"""A client for TensorFlow Serving and for the built-in server, which imports no TensorFlow.

>>> with Client("localhost:8500") as client:
...     client.predict({"text": ["12+34"]}, model="sums").strings("text")
['46']

:mod:`charseq_client.asynchronous` has the same for asyncio.
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from charseq_client.answers import Prediction, PredictionError, VersionStatus
from charseq_client.arrays import Value
from charseq_client.calls import Calls, Pause, Retries, Steps, channel_arguments
from charseq_client.messages import DEFAULT_SIGNATURE, ModelServiceStub, PredictionServiceStub

__all__ = ["DEFAULT_SIGNATURE", "Client", "Prediction", "PredictionError", "Retries", "VersionStatus"]

if TYPE_CHECKING:
    from typing import Self

_Result = TypeVar("_Result")


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
          max_batch_size: Most rows to send at a time; more are split, and the parts answered by one version. A server
            that batches says itself how many rows it takes, and what it refused is split in any case.
          credentials: A ``grpc.ChannelCredentials`` for TLS; none for plain text.
          compression: A ``grpc.Compression``.
          channel_options: Further options of the gRPC channel.
        """
        self._calls = Calls(timeout, retries, max_batch_size)
        arguments = {"options": channel_arguments(channel_options), "compression": compression}
        if credentials is None:
            self._channel = grpc.insecure_channel(target, **arguments)
        else:
            self._channel = grpc.secure_channel(target, credentials, **arguments)
        predictions = PredictionServiceStub(self._channel)
        models = ModelServiceStub(self._channel)
        self._methods = {
            "Predict": predictions.Predict,
            "GetModelMetadata": predictions.GetModelMetadata,
            "GetModelStatus": models.GetModelStatus,
        }

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
          inputs: Input name to values; see :func:`charseq_client.arrays.to_proto` for the types that Python values get. Rows
            are the first dimension; where a batch is split, an input with one row goes to every part.
          model: The model's name.
          version: Its version; the latest that is served if neither this nor ``label`` is given.
          label: The label of a version, for example ``stable``.
          signature: The signature to run.
          output_filter: Names of the outputs wanted; all by default.
          timeout: Longest time in seconds, instead of the client's.

        Returns:
          The answer, with the version that gave it.

        Raises:
          PredictionError: the server refused or could not be reached.
          ValueError: the arguments cannot be sent.
        """
        return self._do(self._calls.predict(inputs, model, version, label, signature, output_filter, timeout))

    def metadata(self, model: str, *, version: int | None = None, label: str | None = None) -> dict[str, Any]:
        """Returns the signatures of a model: key to ``tensorflow.SignatureDef``.

        Raises:
          PredictionError: the server refused or could not be reached.
        """
        return self._do(self._calls.metadata(model, version, label))

    def status(self, model: str, *, version: int | None = None) -> list[VersionStatus]:
        """Returns the states of a model's versions, highest version first.

        Raises:
          PredictionError: the server refused, or could not be reached.
        """
        return self._do(self._calls.status(model, version))

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
        return self._do(self._calls.wait_until_available(model, version, timeout))

    def close(self) -> None:
        """Closes the connection; calls in progress end with CANCELLED."""
        self._channel.close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, steps: Steps[_Result]) -> _Result:
        """Does the steps of a call one after the other, on the caller's thread."""
        try:
            step = next(steps)
            while True:
                answer = None
                try:
                    if isinstance(step, Pause):
                        time.sleep(step.seconds)
                    else:
                        answer = self._methods[step.method](step.request, timeout=step.timeout)
                except grpc.RpcError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
