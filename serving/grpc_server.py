"""The gRPC side of the server: calls in, answers and status codes out."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.errors import Code, ServingError
from serving.model_service import ModelService
from serving.monitoring import Metrics
from serving.prediction_service import PredictionService
from serving.reflection import MODEL_SERVICE, PREDICTION_SERVICE, add_reflection
from serving.stubs import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

logger = logging.getLogger(__name__)

# The real server's limit, and protobuf's own.
MAX_MESSAGE_BYTES = 2**31 - 1

_LONGEST_DEADLINE_S = 1e9

_STATUS_CODES = {Code(status.value[0]): status for status in grpc.StatusCode}


def create_grpc_server(
    prediction_service: PredictionService,
    model_service: ModelService,
    *,
    max_threads: int,
    metrics: Metrics | None = None,
    options: Sequence[tuple[str, int | str]] = (),
) -> Any:
    """Makes a gRPC server that answers both services; it still needs an address and a start.

    Args:
      prediction_service: Answers the calls about predictions.
      model_service: Answers the calls about models.
      max_threads: Requests worked on at a time.
      metrics: Where the calls about predictions are counted; None to count none.
      options: Further channel arguments, which win over the defaults here.

    Returns:
      A ``grpc.Server``.
    """
    defaults = {
        "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
        "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
        # Two servers on one port would share its calls at random. An error at start is better.
        "grpc.so_reuseport": 0,
    }
    server = grpc.server(ThreadPoolExecutor(max_threads, "grpc"), options=tuple({**defaults, **dict(options)}.items()))
    predictions = {
        "Predict": (predict_pb2.PredictRequest, prediction_service.predict),
        "Classify": (classification_pb2.ClassificationRequest, prediction_service.classify),
        "Regress": (regression_pb2.RegressionRequest, prediction_service.regress),
        "MultiInference": (inference_pb2.MultiInferenceRequest, prediction_service.multi_inference),
    }
    about_models = {
        "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, model_service.get_model_status),
        "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, model_service.handle_reload_config),
    }
    handlers = {
        name: _handler(request_type, _with_deadline(answer, name, metrics))
        for name, (request_type, answer) in predictions.items()
    }
    handlers["GetModelMetadata"] = _handler(
        get_model_metadata_pb2.GetModelMetadataRequest, _without_deadline(prediction_service.get_model_metadata)
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(PREDICTION_SERVICE, handlers),
            grpc.method_handlers_generic_handler(
                MODEL_SERVICE,
                {
                    name: _handler(request_type, _without_deadline(answer))
                    for name, (request_type, answer) in about_models.items()
                },
            ),
        )
    )
    # Which services there are, so that grpcurl and the like need no .proto files; on in the real server as well.
    add_reflection(server)
    return server


def _handler(request_type: Any, behaviour: Callable[[Any, Any], Any]) -> Any:
    def parse_and_answer(serialized: bytes, context: Any) -> Any:
        # Here and not in gRPC's own deserializer: a call whose deserializer raises leaves 14 KiB behind for ever.
        try:
            request = request_type.FromString(serialized)
        except DecodeError:
            context.abort(grpc.StatusCode.INTERNAL, f"The request is no {request_type.DESCRIPTOR.full_name}.")
        return behaviour(request, context)

    return grpc.unary_unary_rpc_method_handler(parse_and_answer, response_serializer=_serialize)


def _serialize(response: Any) -> bytes:
    return bytes(response.SerializeToString())


def _with_deadline(
    answer: Callable[[Any, int], Any], method: str, metrics: Metrics | None
) -> Callable[[Any, Any], Any]:
    """Makes a gRPC behaviour of a function that takes the time left for the call, in milliseconds."""

    def behaviour(request: Any, context: Any) -> Any:
        remaining_s = context.time_remaining()  # infinite for a call without a deadline
        # At least 1 ms: 0 would mean no limit. A call that is out of time ends by itself.
        timeout_ms = max(int(remaining_s * 1000), 1) if remaining_s < _LONGEST_DEADLINE_S else 0
        if metrics is None:
            return _answer(lambda: answer(request, timeout_ms), context)
        model = _model_of(request)
        return _answer(lambda: metrics.measure(model, method, "GRPC", lambda: answer(request, timeout_ms)), context)

    return behaviour


def _model_of(request: Any) -> str:
    """Returns the name of the model that a request is for."""
    if isinstance(request, inference_pb2.MultiInferenceRequest):
        return str(request.tasks[0].model_spec.name) if request.tasks else ""
    return str(request.model_spec.name)


def _without_deadline(answer: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Makes a gRPC behaviour of a function that no deadline can end."""
    return lambda request, context: _answer(lambda: answer(request), context)


def _answer(call: Callable[[], Any], context: Any) -> Any:
    """Calls, and turns errors into the status of the gRPC call."""
    try:
        return call()
    except ServingError as error:
        code, details = _STATUS_CODES[error.code], error.details()
    except Exception as error:
        logger.exception("A request failed in a way that is a bug of this server")
        code, details = grpc.StatusCode.INTERNAL, f"Internal error of the server: {error!r}"[:500].encode()
    context.abort(code, details)
