"""The gRPC side of the server: calls in, answers and status codes out.

An event loop reads and writes, threads and the batches answer: a caller who waits costs no thread.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from charseq_client.messages import (
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.contract.errors import Code, ServingError
from serving.server.event_loop import EventLoop
from serving.server.grpc.health import Health
from serving.server.grpc.reflection import add_reflection
from serving.server.model_service import ModelService
from serving.server.monitoring import Metrics
from serving.server.prediction_service import PredictionService

logger = logging.getLogger(__name__)

# The real server's limit, and protobuf's own.
MAX_MESSAGE_BYTES = 2**31 - 1

_LONGEST_DEADLINE_S = 1e9
# How long those who watch the health have to be told that it ends.
_SETTLE_S = 0.1

_STATUS_CODES = {Code(status.value[0]): status for status in grpc.StatusCode}


class GrpcServer:
    """Serves both services over gRPC. :meth:`listen`, then :meth:`start`, then :meth:`stop`."""

    def __init__(
        self,
        prediction_service: PredictionService,
        model_service: ModelService,
        *,
        events: EventLoop,
        max_threads: int,
        metrics: Metrics | None = None,
        health: Health | None = None,
        options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        """Makes the server.

        Args:
          prediction_service: Answers the calls about predictions.
          model_service: Answers the calls about models.
          events: Reads and answers; it has to run until after :meth:`stop`.
          max_threads: Requests worked on at a time, batches aside.
          metrics: Where the calls about predictions are counted; None to count none.
          health: Answers the calls about health; None to answer none.
          options: Further channel arguments, which win over the defaults here.
        """
        self._predictions = prediction_service
        self._models = model_service
        self._metrics = metrics
        self._health = health
        self._threads = ThreadPoolExecutor(max_threads, "grpc")
        self._events = events
        defaults = {
            "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
            "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
            # Two servers on one port would share its calls at random. An error at start is better.
            "grpc.so_reuseport": 0,
        }
        self._server = self._events.call(self._create(tuple({**defaults, **dict(options)}.items())))

    def listen(self, host: str, port: int, credentials: Any = None) -> int:
        """Takes a port; nothing is answered before :meth:`start`.

        Args:
          host: Address to listen on.
          port: Port; 0 for a free one.
          credentials: A ``grpc.ServerCredentials`` for TLS; None for plain text.

        Returns:
          The port.

        Raises:
          ServingError: UNAVAILABLE, it cannot be had.
        """
        reason = _refusal(host, port)
        try:
            bound = 0 if reason else self._events.call(self._bind(f"{bracketed(host)}:{port}", credentials))
        except RuntimeError:
            bound = 0
        if not bound:
            message = (
                f"Port {port} on {host} cannot be listened on ({reason or 'in use?'}); choose another with --port."
            )
            raise ServingError(Code.UNAVAILABLE, message)
        return bound

    def listen_on_socket(self, path: str, credentials: Any = None) -> None:
        """Takes a UNIX socket besides; arguments as for :meth:`listen`.

        Raises:
          ServingError: UNAVAILABLE, it cannot be had.
        """
        try:
            bound = self._events.call(self._bind(f"unix:{path}", credentials))
        except RuntimeError:
            bound = 0
        if not bound:
            message = f"The socket {path} cannot be listened on; choose another with --grpc_socket_path."
            raise ServingError(Code.UNAVAILABLE, message)

    def start(self) -> None:
        """Begins to answer."""
        self._events.call(self._server.start())

    def set_serving(self, serving: bool) -> None:
        """Changes what the calls about health are answered."""
        if self._health is not None:
            self._events.call(self._health.set_serving(serving))

    def stop(self, grace_s: float) -> None:
        """Takes no new requests and lets those in progress finish, for at most ``grace_s`` seconds."""
        try:
            # Late by as long as a cancelled request goes on computing, which nothing can interrupt.
            self._events.call(self._stop(grace_s), grace_s + 1)
        except TimeoutError:
            logger.warning("The gRPC server did not end within %g s.", grace_s + 1)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _create(self, options: tuple[tuple[str, int | str], ...]) -> Any:
        server = grpc.aio.server(options=options)
        predictions, models = self._predictions, self._models
        about_predictions = {
            "Predict": _handler(predict_pb2.PredictRequest, self._predict),
            "Classify": self._timed("Classify", classification_pb2.ClassificationRequest, predictions.classify),
            "Regress": self._timed("Regress", regression_pb2.RegressionRequest, predictions.regress),
            # TensorFlow Serving counts none of these.
            "MultiInference": self._timed("", inference_pb2.MultiInferenceRequest, predictions.multi_inference),
            "GetModelMetadata": self._untimed(
                get_model_metadata_pb2.GetModelMetadataRequest, predictions.get_model_metadata
            ),
        }
        about_models = {
            "GetModelStatus": self._untimed(get_model_status_pb2.GetModelStatusRequest, models.get_model_status),
            "HandleReloadConfigRequest": self._untimed(
                model_management_pb2.ReloadConfigRequest, models.handle_reload_config
            ),
        }
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(PREDICTION_SERVICE, about_predictions),
                grpc.method_handlers_generic_handler(MODEL_SERVICE, about_models),
            )
        )
        # Which services there are, so that tools such as grpcurl need no .proto files; on in the real server as well.
        add_reflection(server)
        if self._health is not None:
            await self._health.add_to(server)
        return server

    async def _bind(self, address: str, credentials: Any) -> int:
        if credentials is None:
            return int(self._server.add_insecure_port(address))
        return int(self._server.add_secure_port(address, credentials))

    async def _stop(self, grace_s: float) -> None:
        stopping = asyncio.ensure_future(self._server.stop(grace_s))
        if self._health is not None:
            await asyncio.sleep(_SETTLE_S)
            self._health.end_watches()
        await stopping

    async def _predict(self, request: Any, context: Any) -> bytes:
        answer = self._events.loop.create_future()
        with _measured(self._metrics, request, "Predict"):
            if self._predictions.begin_predict(request, answer, timeout_ms=_timeout_ms(context)):
                return bytes(await answer)
            return bytes(await self._in_thread(self._predictions.predict, request, context))

    def _timed(self, method: str, request_type: Any, answer: Callable[[Any, int], Any]) -> Any:
        """Makes the handler of a function that takes the time left for the call, in milliseconds.

        Args:
          method: What metrics call it; empty for one that is not counted.
          request_type: Its request.
          answer: The function.
        """
        metrics = self._metrics if method else None

        async def behaviour(request: Any, context: Any) -> bytes:
            with _measured(metrics, request, method):
                return _serialize(await self._in_thread(answer, request, context))

        return _handler(request_type, behaviour)

    def _untimed(self, request_type: Any, answer: Callable[[Any], Any]) -> Any:
        """Makes the handler of a function that no deadline can end."""

        async def behaviour(request: Any, context: Any) -> bytes:
            return _serialize(await self._events.loop.run_in_executor(self._threads, answer, request))

        return _handler(request_type, behaviour)

    async def _in_thread(self, answer: Callable[[Any, int], Any], request: Any, context: Any) -> Any:
        # The time is looked at when there is a thread: the request may have waited for one.
        return await self._events.loop.run_in_executor(self._threads, lambda: answer(request, _timeout_ms(context)))


def _handler(request_type: Any, answer: Callable[[Any, Any], Awaitable[bytes]]) -> Any:
    """Makes the handler of a method: request and context in, serialized response out, errors as the status of the call."""

    async def behaviour(serialized: bytes, context: Any) -> Any:
        # Here and not in gRPC's own deserializer, which answers with a status of its own and logs a stack trace.
        try:
            request = request_type.FromString(serialized)
        except DecodeError:
            message = f"The request is no {request_type.DESCRIPTOR.full_name}."
            await context.abort(grpc.StatusCode.INTERNAL, message)
        try:
            return await answer(request, context)
        except ServingError as error:
            # gRPC hangs on a message that has no UTF-8 form, as that of a model that quotes its input may be.
            code, details = _STATUS_CODES[error.code], error.details().decode("utf-8", "replace")
        except Exception as error:
            logger.exception("A request failed in a way that is a bug of this server")
            code, details = grpc.StatusCode.INTERNAL, f"Internal error of the server: {error!r}"[:500]
        await context.abort(code, details)

    return grpc.unary_unary_rpc_method_handler(behaviour)


def bracketed(host: str) -> str:
    """Returns a host as it stands before a port: an address of IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _serialize(response: Any) -> bytes:
    return bytes(response.SerializeToString())


def _timeout_ms(context: Any) -> int:
    """Returns the time left for a call, in milliseconds; 0 for one without a deadline."""
    remaining_s = context.time_remaining()
    if remaining_s is None or remaining_s > _LONGEST_DEADLINE_S:
        return 0
    # At least 1 ms: a call that is out of time ends by itself.
    return max(int(remaining_s * 1000), 1)


def _measured(metrics: Metrics | None, request: Any, method: str) -> contextlib.AbstractContextManager[None]:
    """Returns the context in which a request is counted."""
    return contextlib.nullcontext() if metrics is None else metrics.measure(request.model_spec.name, method, "GRPC")


def _refusal(host: str, port: int) -> str:
    """Returns why a port cannot be had; empty if it can. gRPC does not say why, and writes a line of its own instead."""
    if not port:
        return ""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""
