"""What answers: a running server, or a pushed model in this process."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from charseq_client import Client, Prediction, Retries
from serving.contract.processors import count_processors
from serving.contract.versions import has_saved_model, parse_version
from serving.local import LocalModel

# A server that restarts is waited for as long as a request may take.
_RETRIES = Retries(max_attempts=1_000_000, max_backoff_s=5.0)


class BackEnd(Protocol):
    """A model that is asked from many threads at a time.

    Attributes:
      name: What the model is called.
      signatures: Signature key to ``tensorflow.SignatureDef``.
      identity: Which model it is, as JSON holds it: answers of another one do not belong into the same file.
      in_flight: How many requests it is asked at a time.
    """

    name: str
    signatures: dict[str, Any]
    identity: dict[str, Any]
    in_flight: int

    def send(self, inputs: Mapping[str, Any], signature: str, outputs: list[str] | None = None) -> Prediction:
        """Calls a signature; raises PredictionError where the model refuses."""
        ...

    def cancel(self) -> None:
        """Ends the calls in progress, if that can be done."""
        ...

    def close(self) -> None:
        """Frees the model. No call may be in progress."""
        ...


class ServerBackEnd:
    """A model of a running server; a call that did not reach it is tried again until its time is over."""

    def __init__(
        self, server: str, model: str, version: int | None, label: str | None, *, timeout: float, in_flight: int
    ) -> None:
        """Asks the server for the model's signatures.

        Args:
          server: ``HOST:PORT``.
          model: Name of the model.
          version: Its version; None for what the server answers with, which may change meanwhile.
          label: Label of its version.
          timeout: Longest time of a request with its retries, in seconds.
          in_flight: Requests at a time.

        Raises:
          PredictionError: The server cannot be reached, or has no such model.
        """
        self._client = Client(server, timeout=timeout, retries=_RETRIES)
        self._model: dict[str, Any] = {"model": model, "version": version, "label": label}
        self.name, self.identity = model, self._model
        self.in_flight = in_flight
        # Whoever named the wrong address should not wait for minutes.
        with Client(server, timeout=min(timeout, 10.0)) as client:
            self.signatures = client.metadata(**self._model)

    def send(self, inputs: Mapping[str, Any], signature: str, outputs: list[str] | None = None) -> Prediction:
        """Calls a signature."""
        return self._client.predict(inputs, signature=signature, output_filter=outputs, **self._model)

    def cancel(self) -> None:
        """Ends the calls in progress."""
        self._client.close()

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


class FolderBackEnd:
    """A pushed version in this process."""

    def __init__(self, folder: str, version: int | None, job: Mapping[str, Any] | None = None) -> None:
        """Loads the version.

        Args:
          folder: A version's folder, or that of a model's versions.
          version: Which of these; by default the one that a server would answer with.
          job: The `identity` of the job that is to be gone on with: its version then answers, although another may have been
            pushed meanwhile.

        Raises:
          PredictionError: There is no such version, or it cannot be loaded.
        """
        before = Path(str((job or {}).get("folder", "")))
        if version is None and str(before.parent) == os.path.abspath(folder) and has_saved_model(str(before)):
            version = parse_version(before.name)
        self._model = LocalModel(folder, version=version)
        self.name, self.identity = self._model.name, {"folder": self._model.path}
        self.signatures = self._model.signatures
        # One more than run, so that none waits for its inputs.
        self.in_flight = count_processors() + 1

    def send(self, inputs: Mapping[str, Any], signature: str, outputs: list[str] | None = None) -> Prediction:
        """Calls a signature."""
        return self._model.predict(inputs, signature=signature, output_filter=outputs)

    def cancel(self) -> None:
        """Does nothing: a call takes as long as it takes."""

    def close(self) -> None:
        """Frees the model."""
        self._model.close()
