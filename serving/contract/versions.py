"""Which versions of a model there are on disk, and which of them a policy wants served."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from serving.contract.layout import SAVED_MODEL_NAMES

_INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions on disk are to be served, as in ``ModelConfig.model_version_policy``.

    Attributes:
      kind: ``latest``: the ``num_versions`` with the highest numbers; ``all``; ``specific``: those in ``versions``.
      num_versions: For ``latest``; 0 counts as 1, as in TensorFlow Serving.
      versions: For ``specific``.
    """

    kind: Literal["latest", "all", "specific"] = "latest"
    num_versions: int = 1
    versions: frozenset[int] = field(default_factory=frozenset)

    def select(self, on_disk: Iterable[int]) -> set[int]:
        """Returns the versions to serve, out of those on disk."""
        if self.kind == "all":
            return set(on_disk)
        if self.kind == "specific":
            return set(on_disk) & self.versions
        return set(sorted(on_disk, reverse=True)[: max(self.num_versions, 1)])


@dataclass(frozen=True)
class ModelSource:
    """A model to serve.

    Attributes:
      name: What requests call it.
      base_path: Folder whose sub-folders with numeric names are its versions.
      policy: Which of them to serve.
    """

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy()


def parse_version(name: str) -> int | None:
    """Returns the version that a folder's name says; None for a name that is no version, which a server passes over."""
    if not (name.isascii() and name.isdigit()):
        return None
    version = int(name)
    return version if version <= _INT64_MAX else None


def versions_on_disk(base_path: str) -> dict[int, str] | None:
    """Lists the version folders of a model.

    Args:
      base_path: The model's folder.

    Returns:
      Version number to path; None if the base path cannot be read. The two differ on purpose: a model whose versions
      are gone is unloaded, one whose file system is away for a moment is not.
    """
    try:
        with os.scandir(base_path) as entries:
            return {
                version: entry.path
                for entry in entries
                if (version := parse_version(entry.name)) is not None and entry.is_dir()
            }
    except OSError:
        return None


def models_in_folder(serving_dir: str) -> list[ModelSource]:
    """Finds every model below a folder: ``serving_dir/<model>/<version>/saved_model.pb``.

    Returns:
      One source per model, by name; an empty list if there is no such folder (yet).
    """
    try:
        return models_named(serving_dir, os.listdir(serving_dir))
    except OSError:
        return []


def models_named(serving_dir: str, names: Iterable[str]) -> list[ModelSource]:
    """Returns a source for each of the names in a serving folder that is a model, by name."""
    sources = []
    for name in sorted(name for name in names if not name.startswith(".")):
        path = os.path.abspath(os.path.join(serving_dir, name))
        if any(has_saved_model(version) for version in (versions_on_disk(path) or {}).values()):
            sources.append(ModelSource(name, path))
    return sources


def has_saved_model(path: str) -> bool:
    """Says whether a folder holds a SavedModel."""
    return any((Path(path) / name).is_file() for name in SAVED_MODEL_NAMES)


def fingerprint(path: str) -> tuple[tuple[str, int, int], ...]:
    """Describes the files of a version by name, size and time of change, to see whether it changed since a failed load.

    Args:
      path: The version's folder.

    Returns:
      Relative name, size in bytes and modification time in nanoseconds of each file.
    """
    found = []
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            try:
                status = os.stat(full)
            except OSError:
                continue  # it went away while we looked; the next look will tell
            found.append((os.path.relpath(full, path), status.st_size, status.st_mtime_ns))
    return tuple(sorted(found))
