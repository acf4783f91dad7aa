"""A serving folder as a rollout sees it: its configuration, its versions, and one rollout at a time."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from charseq_client import VersionStatus
from serving.contract.errors import ServingError
from serving.contract.layout import CONFIG_NAME, STABLE
from serving.contract.model_config import config_lock, folder_config, read_config
from serving.contract.versions import has_saved_model, versions_on_disk
from serving.rollout.server import RolloutError


@contextmanager
def locked(serving_dir: str | Path) -> Iterator[None]:
    """Keeps two rollouts in one folder apart."""
    with ExitStack() as lock:
        try:
            lock.enter_context(config_lock(serving_dir))
        except OSError as error:
            raise RolloutError(f"{serving_dir} cannot be written to: {error.strerror}.") from error
        yield


def read_folder_config(folder: Path) -> Any:
    """Returns the folder's configuration, with an entry for every model in it."""
    try:
        existing = read_config(folder / CONFIG_NAME) if (folder / CONFIG_NAME).exists() else None
    except ServingError as error:
        raise RolloutError(f"{error.message}; correct or remove that file.") from error
    return folder_config(folder, existing)


def find_entry(config: Any, model: str) -> Any:
    """Returns the ``ModelConfig`` of a model.

    Raises:
      RolloutError: there is none.
    """
    for entry in config.model_config_list.config:
        if entry.name == model:
            return entry
    known = ", ".join(sorted(entry.name for entry in config.model_config_list.config)) or "none"
    raise RolloutError(f"There is no model {model} here; there is {known}.")


def saved_versions(entry: Any) -> dict[int, str]:
    """Returns the versions of a model that are SavedModels: version to folder."""
    found = versions_on_disk(entry.base_path) or {}
    return {version: path for version, path in found.items() if has_saved_model(path)}


def require_on_disk(entry: Any, version: int) -> None:
    """Checks that there is a version.

    Raises:
      RolloutError: there is none.
    """
    on_disk = saved_versions(entry)
    if version not in on_disk:
        there = ", ".join(map(str, sorted(on_disk))) or "none"
        raise RolloutError(f"There is no version {version} of {entry.name} in {entry.base_path}; there is {there}.")


def is_pinned(entry: Any) -> bool:
    """Says whether a rollout decided which versions are served."""
    return bool(entry.model_version_policy.WhichOneof("policy_choice") == "specific")


def stable_version(entry: Any, statuses: Iterable[VersionStatus]) -> int | None:
    """Returns the version that is stable: the one with the label, else the one that unversioned requests get."""
    if STABLE in entry.version_labels:
        return int(entry.version_labels[STABLE])
    available = [status.version for status in statuses if status.state == "AVAILABLE"]
    if available:
        return max(available)
    on_disk = set(saved_versions(entry))
    if is_pinned(entry):
        on_disk &= set(entry.model_version_policy.specific.versions)
    return max(on_disk) if on_disk else None


def copy_config(config: Any) -> Any:
    """Returns a copy of a message."""
    copied = type(config)()
    copied.CopyFrom(config)
    return copied
