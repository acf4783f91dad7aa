"""The calls that a rollout makes to a model server, built-in or TensorFlow Serving."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from serving.client import Client, PredictionError, VersionStatus
from serving.errors import Code
from serving.stubs import model_management_pb2, model_service_pb2_grpc

_POLL_S = 0.1


class RolloutError(Exception):
    """A rollout that was refused or failed; what is served is what was served before."""


class RolloutServer:
    """One model server, as a rollout uses it. Its errors are :class:`RolloutError`."""

    def __init__(self, target: str, timeout_s: float) -> None:
        """Prepares the connection.

        Args:
          target: ``HOST:PORT``.
          timeout_s: Longest time for a call, in seconds.
        """
        self._target = target
        self._client = Client(target, timeout=timeout_s)
        self._channel = grpc.insecure_channel(target)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def statuses(self, model: str) -> list[VersionStatus]:
        """Returns what the server says of a model's versions; nothing if it does not know the model."""
        try:
            return self._client.status(model)
        except PredictionError as error:
            if error.code == Code.NOT_FOUND:
                return []
            raise RolloutError(f"{self._target} does not answer: {error}; is a server running there?") from error

    def reload(self, config: Any, timeout_s: float) -> None:
        """Has the server take a ``ModelServerConfig`` over."""
        request = model_management_pb2.ReloadConfigRequest(config=config)
        try:
            self._models.HandleReloadConfigRequest(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise RolloutError(f"{self._target} refuses the configuration: {error.details()}") from error

    def wait_until_available(self, model: str, version: int, timeout_s: float) -> None:
        """Waits until a version is loaded, or has failed to load."""
        deadline = time.monotonic() + timeout_s
        heard = "it was not heard of"
        while time.monotonic() < deadline:
            for status in self.statuses(model):
                if status.version != version:
                    continue
                if status.state == "AVAILABLE":
                    return
                heard = f"it is {status.state} {status.error_message}".strip()
                if status.error_code != Code.OK:
                    raise RolloutError(f"Version {version} of {model} does not load: {status.error_message}")
            time.sleep(_POLL_S)
        raise RolloutError(f"Version {version} of {model} was not loaded within {timeout_s:g} s: {heard}")

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()
        self._channel.close()


@contextmanager
def rollout_server(server: str | None, timeout_s: float) -> Iterator[RolloutServer | None]:
    """Gives the server at ``HOST:PORT`` for a ``with`` statement; None if there is none."""
    if server is None:
        yield None
        return
    client = RolloutServer(server, timeout_s)
    try:
        yield client
    finally:
        client.close()
