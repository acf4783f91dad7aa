"""Where the list of models comes from: a folder of models, a configuration, or calls that replace one.

A reload is the real server's: it is checked as a whole, labels may name only versions that are loaded, and it returns when
the models that are new answer. A configuration file inside a served folder is taken more leniently, because nobody
waits for an answer who could send a second one: a label that moves there keeps standing for its old version until the
new one is loaded.
"""

import logging
import os
import threading
from dataclasses import replace
from typing import Any

from serving.contract.errors import Code, ServingError, invalid_argument
from serving.contract.model_config import (
    labels_of,
    read_config,
    source_of,
    validate,
    validate_change,
    validate_platforms,
)
from serving.contract.versions import ModelSource
from serving.server.models.manager import ModelManager
from serving.server.models.serving_folder import FolderContent, ServingFolder
from serving.server.models.version_states import State
from serving.server.request_log import RequestLogs

logger = logging.getLogger(__name__)


class ModelSources:
    """The models to serve, for a :class:`ModelManager`, and the ways to change them."""

    def __init__(
        self,
        config: Any,
        *,
        folder: ServingFolder | None = None,
        allow_unavailable_labels: bool = False,
        logs: RequestLogs | None = None,
    ) -> None:
        """Sets the list up.

        Args:
          config: The first ``ModelServerConfig``.
          folder: A folder whose models are served besides; its ``models.config`` is followed.
          allow_unavailable_labels: Whether a label that is not in use may name a version that is not loaded.
          logs: Follows the ``logging_config`` of the models.
        """
        self._folder = folder
        self._allow_unavailable_labels = allow_unavailable_labels
        self._logs = logs or RequestLogs()
        self._reload_lock = threading.Lock()
        self._entries: tuple[Any, ...] = ()
        self._manager: ModelManager | None = None
        self._first = config

    def start(self, manager: ModelManager) -> None:
        """Takes the first configuration; the manager may be started after this.

        Raises:
          ServingError: it is not valid.
        """
        self._manager = manager
        self._take(self._first)

    def sources(self) -> list[ModelSource]:
        """Names the models to serve now. Reads the folder and its configuration, where there is a folder."""
        if self._folder is None:
            return [source_of(entry) for entry in self._entries]
        content = self._folder.look()
        self._follow(content)
        found = dict(content.models)
        for entry in self._entries:
            source = source_of(entry)
            # The folder may be mounted elsewhere than where the configuration was written.
            inside = os.path.join(self._folder.path, entry.name)
            is_inside = entry.name in content.models or os.path.isdir(inside)
            if not is_inside and source.base_path == inside and not self._folder.is_away:
                continue  # it was deleted; a push has listed it, and nobody takes it off the list
            found[entry.name] = replace(source, base_path=inside) if is_inside else source
        return list(found.values())

    def reload(self, config: Any) -> None:
        """Replaces the configuration, and waits until the models that are new answer.

        Args:
          config: A ``ModelServerConfig``.

        Raises:
          ServingError: it is refused, and then nothing has changed; or UNKNOWN, a new model did not load.
        """
        manager = self._require_manager()
        with self._reload_lock:
            before = set(manager.models())
            self._take(config)
        manager.refresh()
        new = {entry.name for entry in config.model_config_list.config} - before
        manager.wait_until_models_settled(new)
        self.require_available(new)

    def reload_file(self, path: str) -> None:
        """Reads a configuration file and takes it over; says in the log what is wrong with it, if anything is."""
        try:
            self.reload(read_config(path))
        except ServingError as error:
            logger.error("The model configuration %s is not taken over: %s", path, error)

    def require_available(self, names: set[str]) -> None:
        """Checks that models answer requests.

        Raises:
          ServingError: UNKNOWN, one of them has no version that is loaded.
        """
        manager, reasons = self._require_manager(), []
        for name in sorted(names):
            try:
                statuses = manager.status(name)
            except ServingError as error:
                reasons.append(f"{{name: {name}}} due to error: {error}")
                continue
            if not any(status.state == State.AVAILABLE for status in statuses):
                reasons += [f"{{name: {name} version: {s.version}}} due to error: {s.error}" for s in statuses]
        if reasons:
            message = f"{len(reasons)} servable(s) did not become available: {{{', '.join(reasons)}}}"
            raise ServingError(Code.UNKNOWN, message)

    def _take(self, config: Any) -> None:
        """Takes a configuration over as the real server does."""
        kind = config.WhichOneof("config")
        if kind is None:
            return
        if kind != "model_config_list":
            raise invalid_argument("A custom_model_config is not supported; give a model_config_list.")
        manager = self._require_manager()
        entries = tuple(config.model_config_list.config)
        validate(entries)
        validate_change(self._entries, entries)
        validate_platforms(entries)
        assignments = labels_of(entries)
        manager.labels.check(assignments, manager.is_available, allow_unavailable=self._allow_unavailable_labels)
        logs = self._logs.prepare(entries)
        self._entries = entries
        manager.labels.assign(assignments)
        self._logs.take(logs)

    def _follow(self, content: FolderContent) -> None:
        """Takes over the configuration inside the folder when it has changed."""
        labels, is_available = self._require_manager().labels, self._require_manager().is_available
        if content.new_config is not None:
            with self._reload_lock:
                self._entries = tuple(content.new_config.model_config_list.config)
            try:
                self._logs.take(self._logs.prepare(self._entries))
            except ServingError as error:
                logger.error("Requests are logged as before; the new logging_config cannot be followed: %s", error)
            if not content.has_config:
                labels.assign({})
        if content.has_config:
            labels.assign_when_available(labels_of(self._entries), is_available)

    def _require_manager(self) -> ModelManager:
        if self._manager is None:
            raise RuntimeError("ModelSources.start was not called")
        return self._manager


class ConfigFilePoller:
    """Reads ``--model_config_file`` again and again."""

    def __init__(self, sources: ModelSources, path: str, interval_s: float) -> None:
        """Sets the poller up; :meth:`start` begins.

        Args:
          sources: What takes the configuration.
          path: The file.
          interval_s: Seconds between two looks.
        """
        self._sources, self._path, self._interval_s = sources, path, interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-file", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; a reload that waits for a model is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._sources.reload_file(self._path)
