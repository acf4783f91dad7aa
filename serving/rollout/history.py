"""Who was stable when, and which canary was refused: one JSON object a line, beside the models, only ever added to."""

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

HISTORY_NAME = "rollouts.jsonl"


@dataclass(frozen=True)
class Entry:
    """One change of what is stable.

    Attributes:
      time: When, in seconds since 1970.
      model: The model.
      action: ``promote`` or ``rollback``; ``refuse`` for a canary that was not promoted.
      version: The version that became stable, or was refused.
      previous: The one that was before, and after a refusal still is; None if there was none.
      reason: Why a canary was refused.
    """

    time: float
    model: str
    action: str
    version: int
    previous: int | None
    reason: str = ""


def append_entry(folder: Path, entry: Entry) -> None:
    """Adds an entry; it is on the disk when this returns.

    Raises:
      OSError: the file cannot be written.
    """
    line = asdict(entry) | {"time": datetime.fromtimestamp(entry.time, UTC).isoformat()}
    with (folder / HISTORY_NAME).open("ab") as file:
        # One write, so that a kill leaves a whole line or none.
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_history(folder: Path) -> list[Entry]:
    """Returns the entries, oldest first; lines that are damaged are left out."""
    try:
        lines = (folder / HISTORY_NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            fields = json.loads(line)
            fields["time"] = datetime.fromisoformat(fields["time"]).timestamp()
            entries.append(Entry(**fields))
        except (ValueError, TypeError, KeyError):
            continue
    return entries


def previous_stable(history: Sequence[Entry], model: str, current: int | None, on_disk: Collection[int]) -> int | None:
    """Returns the version that a rollback goes to.

    A rollback undoes a promotion: after 1, 2, 3 were promoted, one leads to 2, a second one to 1. A version that was
    rolled back from, or refused as a canary, is never the target of another rollback.

    Args:
      history: The entries, oldest first.
      model: The model.
      current: The version that is stable now.
      on_disk: The versions that there are.

    Returns:
      The version; without a history the next older one in the folder; None if there is none.
    """
    promoted: list[int] = []
    rolled_back: set[int] = set()
    for entry in history:
        if entry.model != model:
            continue
        if entry.action == "refuse":
            rolled_back.add(entry.version)
            continue
        if entry.action == "rollback":
            if entry.previous is not None:
                rolled_back.add(entry.previous)
            while promoted and promoted[-1] != entry.version:
                promoted.pop()
            if not promoted:
                promoted.append(entry.version)
            continue
        rolled_back.discard(entry.version)
        # It need not be the one that was promoted last: the newest version may have been followed in between.
        if entry.previous is not None and promoted[-1:] != [entry.previous]:
            promoted.append(entry.previous)
        promoted.append(entry.version)
    for version in reversed(promoted):
        if version != current and version in on_disk and version not in rolled_back:
            return version
    older = [v for v in on_disk if current is not None and v < current and v not in rolled_back]
    return max(older, default=None)
