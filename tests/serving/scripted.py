"""A server that misbehaves as a test says."""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from charseq_client.arrays import to_proto
from charseq_client.messages import PREDICTION_SERVICE, predict_pb2


class ScriptedServicer:
    """Answers Predict as a list of steps says.

    Attributes:
      steps: A status code to refuse with, a version to answer as, or None to answer nothing until the call is given up.
      seen: The requests.
      given_up: Set when the caller of a step None has given up.
    """

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps
        self.seen: list[Any] = []
        self.given_up = threading.Event()

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.seen.append(request)
        step = self.steps.pop(0)
        response = predict_pb2.PredictResponse()
        if step is None:
            context.add_callback(self.given_up.set)
            self.given_up.wait(30)
            return response
        if not isinstance(step, int):
            context.abort(step, f"scripted {step.name}")
        response.model_spec.name = "m"
        response.model_spec.version.value = step
        response.outputs["y"].CopyFrom(to_proto("y", [step] * request.inputs["x"].tensor_shape.dim[0].size))
        return response


Scripted = Callable[..., tuple[ScriptedServicer, str]]


@contextmanager
def scripted_servers() -> Iterator[Scripted]:
    """Gives a function that starts a server with some steps and returns its servicer and its address."""
    servers = []

    def start(*steps: Any) -> tuple[ScriptedServicer, str]:
        servicer = ScriptedServicer(list(steps))
        server = grpc.server(futures.ThreadPoolExecutor(2))
        handler = grpc.unary_unary_rpc_method_handler(
            servicer.Predict,
            predict_pb2.PredictRequest.FromString,
            predict_pb2.PredictResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(PREDICTION_SERVICE, {"Predict": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return servicer, f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None)
