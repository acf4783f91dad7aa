"""Which artifacts and checkpoints of a root nothing needs."""

import dataclasses
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore

from pipeline.lineage import Lineage, RunRecord, open_store
from pipeline.places import Places
from pipeline.retention.plan import Item, Kept, measure

# A run that has not ended and began later than this may be at work still; a killed one leaves the same record.
_MAY_BE_RUNNING_S = 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class _Execution:
    """A component's part in a run.

    Attributes:
      id: Its number in ML Metadata, of which its folders have their names.
      component: The component.
      uses: Ids of the artifacts that it read, made, or took from an earlier run.
      made: Ids of those that it made itself.
    """

    id: int
    component: str
    uses: frozenset[int]
    made: frozenset[int]


def plan_runs(
    places: Places, keep: int, tasks: Collection[str], needed: Mapping[str, Mapping[int, str]]
) -> tuple[list[Item], list[Kept]]:
    """Returns what old runs have left that can be deleted, and what is kept of them.

    Args:
      places: The root of the runs.
      keep: How many runs of each task keep all that they made, the newest.
      tasks: The tasks; none for all.
      needed: For each model the versions that must stay, and why: the runs that made them keep all as well.
    """
    if not os.path.exists(places.metadata_path):
        return [], []
    lineage = Lineage(places.metadata_path)
    store = open_store(places.metadata_path, read_only=True)
    old: list[RunRecord] = []
    kept: list[Kept] = []
    users: dict[int, str] = {}  # id of an artifact to a run that stays and uses it
    counts: dict[str, int] = {}
    for record in lineage:
        counts[record.task] = counts.get(record.task, 0) + 1
        reason = "" if counts[record.task] <= keep else _reason(record, needed.get(record.task, {}))
        if counts[record.task] > keep and not reason and (not tasks or record.task in tasks):
            old.append(record)
            continue
        if reason and (not tasks or record.task in tasks):
            kept.append(Kept("run", record.task, f"run {record.number}", reason))
        for execution in _executions(store, record):
            users.update(dict.fromkeys(execution.uses, f"run {record.number} uses them"))
    items = []
    for record in old:
        for execution in _executions(store, record):
            name = f"run {record.number}, {execution.component}"
            paths = _folders(places, record.task, execution)
            if not paths:
                continue
            if reason := next((users[artifact] for artifact in execution.made if artifact in users), ""):
                kept.append(Kept("artifacts", record.task, name, reason))
                continue
            size = sum(map(measure, paths))
            items.append(Item("artifacts", record.task, name, paths, size, tuple(sorted(execution.made))))
    return items, kept


def plan_checkpoints(places: Places, keep: int, tasks: Collection[str]) -> list[Item]:
    """Returns which checkpoints can be deleted: all but the newest of each task."""
    items = []
    for folder in sorted(Path(places.checkpoints("")).glob("*")):
        if not folder.is_dir() or (tasks and folder.name not in tasks):
            continue
        found = sorted((path for path in folder.iterdir() if path.is_dir()), key=_changed, reverse=True)
        for path in found[keep:]:
            items.append(Item("checkpoint", folder.name, path.name, (str(path),), measure(str(path))))
    return items


def _reason(record: RunRecord, needed: Mapping[int, str]) -> str:
    """Returns why an old run keeps all that it made; empty if it does not."""
    version = record.pushed_version
    if version is not None and version in needed:
        return f"of its version {version}: {needed[version]}"
    unfinished = any(part.state == "unfinished" for part in record.components.values()) or not record.components
    if unfinished and record.result == "unfinished" and time.time() - record.began < _MAY_BE_RUNNING_S:
        return "it may be running still"
    return ""


def _executions(store: MetadataStore, record: RunRecord) -> list[_Execution]:
    context = store.get_context_by_type_and_name("pipeline_run", record.run_id)
    executions = store.get_executions_by_context(context.id)
    events: dict[int, list[Any]] = {execution.id: [] for execution in executions}
    for event in store.get_events_by_execution_ids(list(events)) if events else ():
        events[event.execution_id].append(event)
    found = []
    for execution in executions:
        node = next(
            context.name
            for context in store.get_contexts_by_execution(execution.id)
            if context.name.startswith(f"{record.task}.")
        )
        cached = execution.last_known_state == proto.Execution.CACHED
        made = {event.artifact_id for event in events[execution.id] if event.type != proto.Event.INPUT and not cached}
        uses = frozenset(event.artifact_id for event in events[execution.id])
        found.append(_Execution(execution.id, node.removeprefix(f"{record.task}."), uses, frozenset(made)))
    return found


def _folders(places: Places, task: str, execution: _Execution) -> tuple[str, ...]:
    """Returns what an execution has left: its outputs, also of one that was killed, and TFX's own notes."""
    component, number = Path(places.artifacts(task)) / execution.component, str(execution.id)
    return tuple(sorted(map(str, [*component.glob(f"*/{number}"), *component.glob(f".system/*/{number}")])))


def _changed(folder: Path) -> float:
    """Returns when anything in a folder was changed last."""
    return max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))
