"""Making a plan of what can be deleted, and deleting it."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from ml_metadata import proto

from pipeline.lineage import open_store
from pipeline.places import Places
from pipeline.retention.plan import Item, Kept, Plan
from pipeline.retention.runs import plan_checkpoints, plan_runs
from pipeline.retention.versions import needed_versions, plan_versions
from serving.contract.model_config import config_lock


def plan_pruning(places: Places, keep: int, tasks: Collection[str] = ()) -> Plan:
    """Returns what can be deleted.

    Args:
      places: Where the runs and the served models are, on this machine.
      keep: How many runs, versions and checkpoints of each task stay in any case, the newest.
      tasks: The tasks; none for all.

    Raises:
      RolloutError: The serving folder's configuration cannot be read.
    """
    needed: dict[str, dict[int, str]] = {}
    items: list[Item] = []
    kept: list[Kept] = []
    if os.path.isdir(places.serving_dir):
        needed = needed_versions(places.serving_dir)
        items, kept = plan_versions(places.serving_dir, keep, tasks)
    from_runs, kept_runs = plan_runs(places, keep, tasks, needed)
    return Plan((*from_runs, *items, *plan_checkpoints(places, keep, tasks)), (*kept_runs, *kept))


def list_tasks(places: Places) -> list[str]:
    """Returns the tasks and models of which there is something."""
    folders = (places.artifacts(""), places.checkpoints(""), places.serving_dir)
    names = {
        path.name for folder in folders if os.path.isdir(folder) for path in Path(folder).iterdir() if path.is_dir()
    }
    return sorted(name for name in names if not name.startswith("."))


@contextlib.contextmanager
def no_rollouts(serving_dir: str) -> Iterator[None]:
    """Keeps rollouts and pushes from changing what is served, while a plan is made and carried out.

    Raises:
      OSError: The folder cannot be written to.
    """
    with config_lock(serving_dir) if os.path.isdir(serving_dir) else contextlib.nullcontext():
        yield


def delete(plan: Plan, places: Places) -> list[str]:
    """Deletes what a plan says.

    ML Metadata is told first that the artifacts are gone, so that no run takes them for its outputs. A version is renamed
    first, so that no server loads half of one.

    Returns:
      What could not be deleted and why, a sentence each. The same plan may be made and carried out again.
    """
    ids = [artifact for item in plan.items for artifact in item.artifacts]
    if ids:
        store = open_store(places.metadata_path)
        artifacts = store.get_artifacts_by_id(ids)
        for artifact in artifacts:
            artifact.state = proto.Artifact.DELETED
        store.put_artifacts(artifacts)
    return [failure for item in plan.items for path in item.paths if (failure := _delete_path(item, path))]


def _delete_path(item: Item, path: str) -> str:
    """Deletes a folder or file; returns why it could not be, or the empty string."""
    try:
        if item.kind == "version":
            aside = os.path.join(os.path.dirname(path), f".pruned-{os.path.basename(path)}-{uuid.uuid4().hex[:8]}")
            os.rename(path, aside)
            path = aside
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            Path(path).unlink()
    except FileNotFoundError:
        return ""  # somebody else has deleted it
    except OSError as error:
        return f"{path} cannot be deleted: {error.strerror}"
    return ""
