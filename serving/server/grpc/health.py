"""The standard health protocol, grpc.health.v1, for probes such as Kubernetes'."""

import asyncio
import importlib
from typing import Any

import grpc

from serving.contract.errors import Code, ServingError

# The second and third are the names that TensorFlow Serving registers; the empty one is the server as a whole.
_SERVICES = ("", "ModelService", "PredictionService")


class Health:
    """Says whether the server answers requests; it does not until :meth:`set_serving` says so."""

    def __init__(self) -> None:
        """Sets the servicer up. Its package is imported here because only the flag that asks for it needs it.

        Raises:
          ServingError: FAILED_PRECONDITION, the package is missing or does not fit the installed protobuf.
        """
        try:
            self._health_pb2: Any = importlib.import_module("grpc_health.v1.health_pb2")
            self._servicer = importlib.import_module("grpc_health.v1.health").aio.HealthServicer()
        except Exception as error:
            message = f"--enable_grpc_healthcheck_service: {error} Reinstall requirements.lock."
            raise ServingError(Code.FAILED_PRECONDITION, message) from error
        self._watch_to_the_end = self._servicer.Watch
        self._servicer.Watch = self._watch
        self._watches: set[asyncio.Future[Any]] = set()

    async def add_to(self, server: Any) -> None:
        """Registers the service with a ``grpc.aio.Server``."""
        await self.set_serving(False)
        importlib.import_module("grpc_health.v1.health_pb2_grpc").add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        """Changes the answer for every service, and tells those who watch."""
        response = self._health_pb2.HealthCheckResponse
        for service in _SERVICES:
            await self._servicer.set(service, response.SERVING if serving else response.NOT_SERVING)

    def end_watches(self) -> None:
        """Ends the calls that wait for a change, which would otherwise hold up the end of the server."""
        for watch in self._watches:
            watch.cancel()

    async def _watch(self, request: Any, context: Any) -> None:
        watch = asyncio.ensure_future(self._watch_to_the_end(request, context))
        self._watches.add(watch)
        try:
            await asyncio.wait({watch})
        finally:
            self._watches.discard(watch)
            watch.cancel()
        if watch.cancelled():
            # By a status: a handler that is cancelled itself sends none, and gRPC waits for it.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server is stopping.")
        watch.result()
