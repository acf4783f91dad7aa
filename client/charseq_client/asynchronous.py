"""The client of :mod:`charseq_client.blocking` for asyncio.

>>> async with AsyncClient("localhost:8500") as client:
...     (await client.predict({"text": ["12+34"]}, model="sums")).strings("text")
['46']
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from charseq_client.answers import Prediction, PredictionError, VersionStatus
from charseq_client.arrays import Value
from charseq_client.calls import Calls, Pause, Retries, Send, Steps, channel_arguments
from charseq_client.codes import Code
from charseq_client.messages import DEFAULT_SIGNATURE, ModelServiceStub, PredictionServiceStub

__all__ = ["AsyncClient", "Prediction", "PredictionError", "Retries", "VersionStatus"]

if TYPE_CHECKING:
    from typing import Self

_Result = TypeVar("_Result")


class AsyncClient:
    """Calls one server from the tasks of one event loop; close it or use it as an asynchronous context manager.

    A task that is cancelled, or whose time is over (``asyncio.timeout``), cancels its call at the server and makes no
    further attempt.
    """

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
        """Prepares the connection; it is made at the first call, whose event loop it then belongs to.

        The arguments are those of :class:`charseq_client.blocking.Client`.
        """
        self._calls = Calls(timeout, retries, max_batch_size)
        self._target = target
        self._credentials = credentials
        self._channel_arguments = {"options": channel_arguments(channel_options), "compression": compression}
        self._channel: Any = None
        self._methods: dict[str, Any] = {}
        self._closed = False

    async def predict(
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
        """Runs a model; see :meth:`charseq_client.blocking.Client.predict`."""
        return await self._do(self._calls.predict(inputs, model, version, label, signature, output_filter, timeout))

    async def metadata(self, model: str, *, version: int | None = None, label: str | None = None) -> dict[str, Any]:
        """Returns the signatures of a model; see :meth:`charseq_client.blocking.Client.metadata`."""
        return await self._do(self._calls.metadata(model, version, label))

    async def status(self, model: str, *, version: int | None = None) -> list[VersionStatus]:
        """Returns the states of a model's versions; see :meth:`charseq_client.blocking.Client.status`."""
        return await self._do(self._calls.status(model, version))

    async def wait_until_available(self, model: str, *, version: int | None = None, timeout: float = 30.0) -> int:
        """Waits until a model can be called; see :meth:`charseq_client.blocking.Client.wait_until_available`."""
        return await self._do(self._calls.wait_until_available(model, version, timeout))

    async def close(self) -> None:
        """Closes the connection; calls in progress end with CANCELLED."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> "Self":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _do(self, steps: Steps[_Result]) -> _Result:
        """Does the steps of a call one after the other, as part of the caller's task."""
        try:
            step = next(steps)
            while True:
                answer = None
                try:
                    if isinstance(step, Pause):
                        await asyncio.sleep(step.seconds)
                    else:
                        answer = await self._send(step)
                except grpc.RpcError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            result: _Result = end.value
            return result
        finally:
            steps.close()

    async def _send(self, step: Send) -> Any:
        if self._closed:
            raise ValueError("The client is closed; make a new one.")
        if self._channel is None:
            self._connect()
        try:
            return await self._methods[step.method](step.request, timeout=step.timeout)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task and _is_cancelled(task)):
                # The call was cancelled and not the task, which would end without a word if this went on.
                raise PredictionError(Code.CANCELLED, "The client was closed during the call.") from None
            raise

    def _connect(self) -> None:
        """Makes the channel; not in `__init__`, since it belongs to the event loop that runs now."""
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self._target, **self._channel_arguments)
        else:
            self._channel = grpc.aio.secure_channel(self._target, self._credentials, **self._channel_arguments)
        predictions = PredictionServiceStub(self._channel)
        models = ModelServiceStub(self._channel)
        self._methods = {
            "Predict": predictions.Predict,
            "GetModelMetadata": predictions.GetModelMetadata,
            "GetModelStatus": models.GetModelStatus,
        }


def _is_cancelled(task: asyncio.Task[Any]) -> bool:
    """Says whether a task was asked to end; Python 3.10 does not tell, and then the closed client counts."""
    return sys.version_info >= (3, 11) and task.cancelling() > 0
