"""Which pushed versions of a serving folder nothing needs."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.retention.plan import Item, Kept, measure
from serving.contract.layout import STABLE
from serving.contract.model_config import source_of
from serving.contract.versions import versions_on_disk
from serving.rollout.folder import read_folder_config, stable_version
from serving.rollout.history import previous_stable, read_history


def needed_versions(serving_dir: str) -> dict[str, dict[int, str]]:
    """Returns, for each model of a serving folder, the versions that must stay, and why.

    They are those that a server of the folder loads, those with a label, the stable one and the one that a rollback goes to.

    Raises:
      RolloutError: The folder's configuration cannot be read.
    """
    folder = Path(serving_dir)
    history = read_history(folder)
    needed: dict[str, dict[int, str]] = {}
    for entry in read_folder_config(folder).model_config_list.config:
        on_disk = versions_on_disk(entry.base_path) or {}
        reasons: dict[int, str] = {}
        stable = stable_version(entry, ())
        target = previous_stable(history, entry.name, stable, on_disk)
        if target is not None:
            reasons[target] = "a rollback goes to it"
        for version in source_of(entry).policy.select(on_disk):
            reasons[version] = "it is served"
        if stable is not None:
            reasons[stable] = "it is served"
        for label, version in sorted(entry.version_labels.items(), key=lambda pair: pair[0] == STABLE):
            reasons[version] = f"it has the label {label}"
        needed[entry.name] = {version: why for version, why in reasons.items() if version in on_disk}
    return needed


def plan_versions(serving_dir: str, keep: int, tasks: Iterable[str]) -> tuple[list[Item], list[Kept]]:
    """Returns which versions can be deleted, and which older ones are kept.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      keep: How many of each model stay in any case, the newest.
      tasks: The models; none for all.

    Raises:
      RolloutError: The folder's configuration cannot be read.
    """
    items, kept = [], []
    needed = needed_versions(serving_dir)
    for entry in read_folder_config(Path(serving_dir)).model_config_list.config:
        if tasks and entry.name not in tasks:
            continue
        on_disk = versions_on_disk(entry.base_path) or {}
        for version in sorted(on_disk, reverse=True)[keep:]:
            if reason := needed[entry.name].get(version):
                kept.append(Kept("version", entry.name, str(version), reason))
            else:
                path = on_disk[version]
                items.append(Item("version", entry.name, str(version), (path,), measure(path)))
    return items, kept
