"""The calls that a rollout makes to the model servers of a folder, built-in or TensorFlow Serving."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from charseq_client import Client, PredictionError, VersionStatus
from charseq_client.messages import ModelServiceStub, model_management_pb2
from serving.contract.errors import Code

_POLL_S = 0.1


class RolloutError(Exception):
    """A rollout that was refused or failed; what is served is what was served before."""

    kind = "rollout"
    meaning = (
        "A promotion, a rollback or a canary was refused, or the server did not take it over. What was served "
        "is served still."
    )
    remedy = "Do what the message says; `charseq models` shows versions and labels."


class RolloutServer:
    """The model servers of one folder, as a rollout uses them. Its errors are :class:`RolloutError`.

    Usually there is one. On Kubernetes several pods share the folder, and each has to have loaded a version before a label
    moves to it: TensorFlow Serving refuses the configuration otherwise, also when it reads it from the file.
    """

    def __init__(self, target: str, timeout_s: float) -> None:
        """Prepares the connections.

        Args:
          target: ``HOST:PORT``; a host with several addresses, such as a headless Service of Kubernetes, is that many servers.
          timeout_s: Longest time for a call, in seconds.
        """
        self._servers = [_Server(address, timeout_s) for address in _addresses(target)]

    def statuses(self, model: str) -> list[VersionStatus]:
        """Returns what is said of a model's versions; nothing if no server knows the model.

        A version is only as far as the server is that has got least far with it.
        """
        answers = [{status.version: status for status in server.statuses(model)} for server in self._servers]
        versions = sorted({version for answer in answers for version in answer}, reverse=True)
        unheard = {version: VersionStatus(version, "START", Code.OK, "") for version in versions}
        return [
            min((answer.get(version, unheard[version]) for answer in answers), key=_progress) for version in versions
        ]

    def reload(self, config: Any, timeout_s: float) -> None:
        """Has every server take a ``ModelServerConfig`` over."""
        for server in self._servers:
            server.reload(config, timeout_s)

    def wait_until_available(self, model: str, version: int, timeout_s: float) -> None:
        """Waits until every server has loaded a version, or one has failed to."""
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
        """Closes the connections."""
        for server in self._servers:
            server.close()


class _Server:
    """One of them."""

    def __init__(self, target: str, timeout_s: float) -> None:
        self._target = target
        self._client = Client(target, timeout=timeout_s)
        self._channel = grpc.insecure_channel(target)
        self._models = ModelServiceStub(self._channel)

    def statuses(self, model: str) -> list[VersionStatus]:
        try:
            return self._client.status(model)
        except PredictionError as error:
            if error.code == Code.NOT_FOUND:
                return []
            raise RolloutError(f"{self._target} does not answer: {error}; is a server running there?") from error

    def reload(self, config: Any, timeout_s: float) -> None:
        request = model_management_pb2.ReloadConfigRequest(config=config)
        try:
            self._models.HandleReloadConfigRequest(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise RolloutError(f"{self._target} refuses the configuration: {error.details()}") from error

    def close(self) -> None:
        self._client.close()
        self._channel.close()


def _progress(status: VersionStatus) -> tuple[bool, bool]:
    """Orders what servers say of a version: what failed comes before what is under way, and that before what is done."""
    return status.error_code == Code.OK, status.state == "AVAILABLE"


def _addresses(target: str) -> list[str]:
    """Returns the addresses of a host that has several; else the target as it was given.

    Addresses of IPv4, if there are any: ``localhost`` has one of each, and is one server.
    """
    host, colon, port = target.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [target]  # which the first call says
    for family, form in ((socket.AF_INET, "{}:{}"), (socket.AF_INET6, "[{}]:{}")):
        addresses = sorted({form.format(entry[4][0], port) for entry in found if entry[0] == family})
        if addresses:
            return addresses if colon and len(addresses) > 1 else [target]
    return [target]


@contextmanager
def rollout_server(server: str | None, timeout_s: float) -> Iterator[RolloutServer | None]:
    """Gives the servers at ``HOST:PORT`` for a ``with`` statement; None if there is none."""
    if server is None:
        yield None
        return
    client = RolloutServer(server, timeout_s)
    try:
        yield client
    finally:
        client.close()
