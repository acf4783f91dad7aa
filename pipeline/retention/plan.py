"""What a plan to delete consists of."""

import dataclasses
import os
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Item:
    """Something that nothing needs any more.

    Attributes:
      kind: `artifacts`: what one component of a run made; `version`: a pushed model; `checkpoint`: of a training that is not
        over.
      task: Its task, for a version the model.
      name: What a user calls it: run and component, version, or folder.
      paths: Its folders and files.
      bytes: How much space they take.
      artifacts: Ids of the artifacts in ML Metadata.
    """

    kind: Literal["artifacts", "version", "checkpoint"]
    task: str
    name: str
    paths: tuple[str, ...]
    bytes: int
    artifacts: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Kept:
    """Something older than the newest ones that is kept all the same.

    Attributes:
      kind: `run`, `artifacts` or `version`.
      task: Its task, for a version the model.
      name: As for `Item`.
      reason: Why it is kept.
    """

    kind: Literal["run", "artifacts", "version"]
    task: str
    name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What can be deleted, and what is kept besides the newest."""

    items: tuple[Item, ...]
    kept: tuple[Kept, ...]

    @property
    def bytes(self) -> int:
        """How much space there would be."""
        return sum(item.bytes for item in self.items)


def measure(path: str) -> int:
    """Returns the bytes of a file, or of all files below a folder; links are not followed."""
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # somebody else has deleted it
    return total
