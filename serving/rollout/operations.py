"""Rollout and rollback: moves the label ``stable`` from one version of a model to another, without a failed request.

It works the same on the built-in server and on TensorFlow Serving, by what both understand: a ``ModelServerConfig``
file beside the models and HandleReloadConfigRequest. A version that is rolled out is named in the file (policy
``specific``), so that neither a restart nor a newer folder changes what is served; :func:`follow_latest` ends that.

The old version is not given up before the new one is loaded: first both are served, then the label moves, and only
then is the old one unloaded. A version that does not load leaves everything as it was.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charseq_client import VersionStatus
from serving.contract.layout import CANARY, CONFIG_NAME, STABLE
from serving.contract.model_config import write_config
from serving.rollout.folder import (
    copy_config,
    find_entry,
    is_pinned,
    locked,
    read_folder_config,
    require_on_disk,
    saved_versions,
    stable_version,
)
from serving.rollout.history import Entry, append_entry, previous_stable, read_history
from serving.rollout.server import RolloutError, RolloutServer, rollout_server


@dataclass(frozen=True)
class Version:
    """One version of a model.

    Attributes:
      version: The version.
      on_disk: Whether there is a SavedModel of it in the folder.
      state: What the server says of it, for example ``AVAILABLE``; empty if no server was asked or it knows nothing.
      error: Why it does not load; empty if it does.
      labels: What it is called.
    """

    version: int
    on_disk: bool
    state: str = ""
    error: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A model of a serving folder.

    Attributes:
      name: Its name.
      versions: Its versions, highest first.
      stable: The version that is, or will be, what an unversioned request gets; None if there is none.
      pinned: Whether that was decided by a rollout; otherwise it is the newest version, whichever that is.
    """

    name: str
    versions: tuple[Version, ...]
    stable: int | None
    pinned: bool


@dataclass(frozen=True)
class Rollout:
    """What a rollout did.

    Attributes:
      model: The model.
      version: The version that is stable now.
      previous: The one that was before; None if there was none.
      live: Whether a server has taken it over; otherwise the next one to start will.
    """

    model: str
    version: int
    previous: int | None
    live: bool


def list_models(serving_dir: str | Path, *, server: str | None = None, timeout_s: float = 5.0) -> list[Model]:
    """Lists the models of a serving folder.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      server: ``HOST:PORT`` of a server of that folder, asked for states; None to look at the files alone.
      timeout_s: Longest wait for the server, in seconds.

    Raises:
      RolloutError: the folder's configuration cannot be read, or the server cannot be reached.
    """
    config = read_folder_config(Path(serving_dir))
    models = []
    with rollout_server(server, timeout_s) as client:
        for entry in config.model_config_list.config:
            states = {status.version: status for status in _statuses(client, entry.name)}
            on_disk = saved_versions(entry)
            labelled = set(entry.version_labels.values())
            versions = tuple(
                Version(
                    version,
                    version in on_disk,
                    states[version].state if version in states else "",
                    states[version].error_message if version in states else "",
                    tuple(sorted(label for label, of in entry.version_labels.items() if of == version)),
                )
                for version in sorted({*on_disk, *states} | labelled, reverse=True)
            )
            models.append(Model(entry.name, versions, stable_version(entry, states.values()), is_pinned(entry)))
    return sorted(models, key=lambda model: model.name)


def find_stable(
    serving_dir: str | Path, model: str, *, server: str, besides: int | None = None, timeout_s: float = 5.0
) -> int | None:
    """Returns the version of a model that is stable: labelled so, or else what an unversioned request gets.

    Args:
      serving_dir: As for :func:`promote`.
      model: The model.
      server: ``HOST:PORT`` of a server of that folder.
      besides: A version that does not count: one that is not labelled and has come by itself, as the newest.
      timeout_s: Longest wait for the server, in seconds.

    Returns:
      The version; None if there is none, or no such model.

    Raises:
      RolloutError: the server does not answer.
    """
    config = read_folder_config(Path(serving_dir))
    entry = next((entry for entry in config.model_config_list.config if entry.name == model), None)
    with rollout_server(server, timeout_s) as client:
        statuses = [status for status in _statuses(client, model) if status.version != besides]
    if entry is None:
        return None
    stable = stable_version(entry, statuses)
    return None if stable == besides else stable


def promote(
    serving_dir: str | Path, model: str, version: int, *, server: str | None = None, timeout_s: float = 60.0
) -> Rollout:
    """Makes a version the stable one.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      model: The model.
      version: The version.
      server: ``HOST:PORT`` of a server of that folder; None if none is running, and the next one is to do it.
      timeout_s: Longest time for the version to load, in seconds.

    Returns:
      What was done; the same again does nothing and says so by ``previous == version``.

    Raises:
      RolloutError: there is no such version, it does not load, or the server cannot be reached.
    """
    with locked(serving_dir):
        return _roll(Path(serving_dir), model, version, "promote", server, timeout_s)


def rollback(serving_dir: str | Path, model: str, *, server: str | None = None, timeout_s: float = 60.0) -> Rollout:
    """Makes the version stable that was stable before; done again, the one before that.

    Without a history, that is the next older version in the folder. Arguments, result and errors are those of
    :func:`promote`.
    """
    with locked(serving_dir):
        folder = Path(serving_dir)
        entry = find_entry(read_folder_config(folder), model)
        with rollout_server(server, timeout_s) as client:
            current = stable_version(entry, _statuses(client, model))
        target = previous_stable(read_history(folder), model, current, saved_versions(entry))
        if target is None:
            raise RolloutError(f"There is no version of {model} to go back to: {current} is the only one in {folder}.")
        return _roll(folder, model, target, "rollback", server, timeout_s)


def set_canary(
    serving_dir: str | Path, model: str, version: int | None, *, server: str | None = None, timeout_s: float = 60.0
) -> Rollout:
    """Serves a version beside the stable one under the label ``canary``, or ends that.

    An unversioned request goes to the highest version that is loaded, in TensorFlow Serving as here: clients that
    must not see a canary ask for the label ``stable``.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      model: The model.
      version: The version; None to serve no canary any more.
      server: As for :func:`promote`.
      timeout_s: As for :func:`promote`.

    Returns:
      What is stable now, which a canary does not change.

    Raises:
      RolloutError: as for :func:`promote`.
    """
    with locked(serving_dir):
        folder = Path(serving_dir)
        config = read_folder_config(folder)
        entry = find_entry(config, model)
        if version is not None:
            require_on_disk(entry, version)
        with rollout_server(server, timeout_s) as client:
            stable = stable_version(entry, _statuses(client, model))
            if stable is None:
                raise RolloutError(f"{model} has no stable version yet; promote one first.")
            labels = {STABLE: stable} | ({CANARY: version} if version is not None else {})
            _change(folder, config, entry, labels, client, timeout_s)
        return Rollout(model, stable, stable, client is not None)


def follow_latest(serving_dir: str | Path, model: str, *, server: str | None = None, timeout_s: float = 60.0) -> None:
    """Ends what a rollout pinned: from now on the newest version is served, whichever that is, and has no label.

    Raises:
      RolloutError: as for :func:`promote`.
    """
    with locked(serving_dir), rollout_server(server, timeout_s) as client:
        folder = Path(serving_dir)
        config = read_folder_config(folder)
        entry = find_entry(config, model)
        before = copy_config(config)
        entry.ClearField("model_version_policy")
        entry.ClearField("version_labels")
        _apply(folder, config, before, client, timeout_s)


def _roll(folder: Path, model: str, version: int, action: str, server: str | None, timeout_s: float) -> Rollout:
    config = read_folder_config(folder)
    entry = find_entry(config, model)
    require_on_disk(entry, version)
    is_stable = entry.version_labels.get(STABLE) == version
    with rollout_server(server, timeout_s) as client:
        previous = stable_version(entry, _statuses(client, model))
        labels = {label: v for label, v in entry.version_labels.items() if label not in (STABLE, CANARY)}
        if entry.version_labels.get(CANARY, version) != version:
            labels[CANARY] = entry.version_labels[CANARY]
        _change(folder, config, entry, labels | {STABLE: version}, client, timeout_s)
    if not is_stable:
        append_entry(folder, Entry(time.time(), model, action, version, previous))
    return Rollout(model, version, previous, client is not None)


def _change(
    folder: Path, config: Any, entry: Any, labels: dict[str, int], client: RolloutServer | None, timeout_s: float
) -> None:
    """Serves exactly the labelled versions, in two steps where a server is running: load, then move the labels."""
    before = copy_config(config)
    if client is not None:
        loaded = {status.version for status in client.statuses(entry.name) if status.state == "AVAILABLE"}
        keep = loaded & set(saved_versions(entry))
        _set_versions(entry, keep | set(labels.values()))
        _apply(folder, config, before, client, timeout_s)
        try:
            for version in sorted(set(labels.values())):
                client.wait_until_available(entry.name, version, timeout_s)
        except RolloutError:
            _apply(folder, before, before, client, timeout_s)
            raise
    _set_versions(entry, set(labels.values()))
    entry.ClearField("version_labels")
    entry.version_labels.update(labels)
    _apply(folder, config, before, client, timeout_s)


def _apply(folder: Path, config: Any, before: Any, client: RolloutServer | None, timeout_s: float) -> None:
    """Writes the configuration and has the server take it over; puts the one before back if that fails."""
    # The file first: a server that reads it by itself must not undo what the call below has done.
    write_config(folder / CONFIG_NAME, config)
    if client is None:
        return
    try:
        client.reload(config, timeout_s)
    except RolloutError:
        write_config(folder / CONFIG_NAME, before)
        raise


def _set_versions(entry: Any, versions: set[int]) -> None:
    entry.ClearField("model_version_policy")
    entry.model_version_policy.specific.versions.extend(sorted(versions))


def _statuses(client: RolloutServer | None, model: str) -> Sequence[VersionStatus]:
    return client.statuses(model) if client is not None else ()
