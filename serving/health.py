"""The standard health protocol, grpc.health.v1, for probes such as Kubernetes'."""

import importlib
from typing import Any

from serving.errors import Code, ServingError

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

    async def add_to(self, server: Any) -> None:
        """Registers the service with a ``grpc.aio.Server``."""
        await self.set_serving(False)
        importlib.import_module("grpc_health.v1.health_pb2_grpc").add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        """Changes the answer for every service, and tells those who watch."""
        response = self._health_pb2.HealthCheckResponse
        for service in _SERVICES:
            await self._servicer.set(service, response.SERVING if serving else response.NOT_SERVING)
