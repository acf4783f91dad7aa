"""A model server as a rollout sees it, without a process."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charseq_client import VersionStatus
from serving.contract.errors import Code, ServingError
from serving.contract.model_config import labels_of, source_of
from serving.contract.versions import versions_on_disk
from serving.rollout import operations
from serving.rollout.server import RolloutError
from serving.server.models.labels import Labels


class Double:
    """Serves what a configuration names, at once, and moves labels by the rules of the real one.

    Attributes:
      serving: Versions that are loaded, by model.
      loaded: All that were loaded at some time, in order.
      damaged: Versions of the model `m` that do not load.
      refuses: Whether it refuses the next configurations.
      timeouts: Those of the calls.
      closed: Whether it was closed.
    """

    def __init__(self, serving: dict[str, set[int]]) -> None:
        self.serving = serving
        self.loaded: list[int] = []
        self.damaged: set[int] = set()
        self.refuses = 0
        self.timeouts: list[float] = []
        self.closed = False
        self.labels = Labels()

    def statuses(self, model: str) -> list[VersionStatus]:
        there = [VersionStatus(version, "AVAILABLE", Code.OK, "") for version in self.serving.get(model, ())]
        gone = [
            VersionStatus(version, "END", Code.DATA_LOSS, "it is damaged") for version in self.damaged if model == "m"
        ]
        return sorted(there + gone, key=lambda status: status.version, reverse=True)

    def reload(self, config: Any, timeout_s: float) -> None:
        self.timeouts.append(timeout_s)
        if self.refuses:
            self.refuses -= 1
            raise RolloutError("the server refuses the configuration")
        entries = config.model_config_list.config
        assignments = labels_of(entries)
        try:
            self.labels.check(assignments, lambda m, v: v in self.serving.get(m, ()), allow_unavailable=False)
        except ServingError as error:
            raise RolloutError(error.message) from error
        self.labels.assign(assignments)
        for entry in entries:
            wanted = source_of(entry).policy.select(versions_on_disk(entry.base_path) or {}) - self.damaged
            self.loaded += sorted(wanted - self.serving.get(entry.name, set()))
            self.serving[entry.name] = wanted

    def wait_until_available(self, model: str, version: int, timeout_s: float) -> None:
        self.timeouts.append(timeout_s)
        if version not in self.serving.get(model, ()):
            raise RolloutError(f"Version {version} of {model} does not load: it is damaged")

    def close(self) -> None:
        self.closed = True


@contextlib.contextmanager
def served(monkeypatch: pytest.MonkeyPatch, double: Double) -> Iterator[Double]:
    """Has rollouts with a server find the double."""

    @contextlib.contextmanager
    def rollout_server(server: str | None, timeout_s: float) -> Iterator[Double | None]:
        double.timeouts.append(timeout_s)
        yield double if server is not None else None

    monkeypatch.setattr(operations, "rollout_server", rollout_server)
    yield double


def save(serving_dir: Path, *versions: int, model: str = "m") -> None:
    """Makes versions that are SavedModels by their names."""
    for version in versions:
        folder = serving_dir / model / str(version)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
