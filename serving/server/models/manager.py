"""Which models are loaded: follows the folders, loads before it unloads, keeps what works when a load fails.

One thread polls the file system and decides; loads and unloads run on threads of their own, so that a slow load, or an
old version that waits for its last request, holds nothing else up. Requests never take the manager's lock: they read a
table that is replaced as a whole whenever a version comes or goes.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from serving.contract.errors import Code, ServingError
from serving.contract.versions import ModelSource, fingerprint, versions_on_disk
from serving.server.models.labels import Labels
from serving.server.models.saved_model import SavedModel
from serving.server.models.servable import Servable
from serving.server.models.version_states import LoadRetries, ModelRecord, State, VersionRecord, VersionStatus

logger = logging.getLogger(__name__)

Loader = Callable[[str], SavedModel]


class ModelManager:
    """Keeps the models that its sources name loaded, and hands them to requests.

    Attributes:
      labels: Which version each label of a model stands for.
    """

    def __init__(
        self,
        sources: Callable[[], Iterable[ModelSource]],
        load: Loader,
        *,
        poll_seconds: float = 1.0,
        retries: LoadRetries | None = None,
        num_load_threads: int = 2,
        num_unload_threads: int = 8,
    ) -> None:
        """Sets the manager up; :meth:`start` begins.

        Args:
          sources: Names the models to serve; asked at every poll.
          load: Loads and warms up the SavedModel in a folder.
          poll_seconds: Seconds between two looks at the file system; 0 to look once.
          retries: How often a failed load is tried again.
          num_load_threads: Loads at a time.
          num_unload_threads: Unloads at a time.
        """
        self.labels = Labels()
        self._sources = sources
        self._load = load
        self._poll_seconds = poll_seconds
        self._retries = retries or LoadRetries()
        self._models: dict[str, ModelRecord] = {}
        self._serving: dict[str, dict[int, Servable]] = {}  # replaced, never changed; versions in descending order
        self._changed = threading.Condition()
        self._polled = False
        self._polls_wanted = self._polls_begun = self._polls_done = 0
        self._settled = False
        self._stopping = False
        self._loads = ThreadPoolExecutor(num_load_threads, "load")
        self._unloads = ThreadPoolExecutor(num_unload_threads, "unload")
        self._thread = threading.Thread(target=self._run, name="model-manager", daemon=True)

    # What requests use.

    def acquire(self, name: str, version: int | None = None) -> Servable:
        """Finds a loaded version and registers its use.

        Args:
          name: The model.
          version: The version; None for the highest that is loaded.

        Returns:
          The servable, to be used in a ``with`` statement, which ends the use.

        Raises:
          ServingError: NOT_FOUND, it is not loaded.
        """
        while True:
            versions = self._serving.get(name)
            servable = None
            if versions:
                servable = next(iter(versions.values())) if version is None else versions.get(version)
            if servable is None:
                wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
            if servable.acquire():
                return servable
            # It left the table between our look and now; the table has what replaced it.

    def acquire_label(self, name: str, label: str) -> Servable:
        """Finds the version that a label stands for and registers its use; otherwise as :meth:`acquire`.

        Raises:
          ServingError: INVALID_ARGUMENT, there is no such label; NOT_FOUND, its version is not loaded.
        """
        assigned, *stand_ins = self.labels.versions(name, label)
        for version in (assigned, *stand_ins):
            if self.is_available(name, version):
                return self.acquire(name, version)
        return self.acquire(name, assigned)

    def is_available(self, name: str, version: int) -> bool:
        """Says whether a version answers requests now."""
        return version in self._serving.get(name, {})

    def status(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """Says what became of the versions of a model, highest first.

        Args:
          name: The model.
          version: Only this version; None for all.

        Raises:
          ServingError: NOT_FOUND, there never was such a version.
        """
        with self._changed:
            model = self._models.get(name)
            records = sorted(model.versions.values(), key=lambda r: r.version, reverse=True) if model else []
            found = [
                VersionStatus(record.version, record.state, record.error)
                for record in records
                if version is None or record.version == version
            ]
        if not found and version is not None:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        if not found:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        return found

    def models(self) -> list[str]:
        """Names the models known now, loaded or not."""
        with self._changed:
            return sorted(name for name, model in self._models.items() if not model.removed)

    # The manager's own life.

    def start(self) -> None:
        """Begins to poll, load and unload."""
        self._thread.start()

    def refresh(self) -> None:
        """Has the sources asked and the file system looked at now; returns when that has been done."""
        with self._changed:
            # One that is in progress may have asked the sources already: wait for one that begins from here on.
            wanted = self._polls_wanted = self._polls_begun + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopping or self._polls_done >= wanted)

    def wait_until_models_settled(self, names: Iterable[str]) -> None:
        """Waits until each of some models has a version to serve, or its loads have failed for good."""
        wanted = set(names)
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._stopping or all(self._models[name].is_settled() for name in wanted if name in self._models)
                )
            )

    def wait_until_settled(self, timeout_s: float | None = None) -> bool:
        """Waits until every model has a version to serve, or its loads have failed for good.

        Args:
          timeout_s: Longest wait in seconds; None for no limit.

        Returns:
          False if the time ran out before.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping or self._settled, timeout_s)

    def wait_until_any_version(self, timeout_s: float | None = None) -> bool:
        """Waits until every model has at least one version folder on disk; False if the time ran out before."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._stopping or (self._polled and all(model.versions for model in self._models.values())),
                timeout_s,
            )

    def interrupt(self) -> None:
        """Ends polling and every wait of this class."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self, timeout_s: float) -> bool:
        """Ends polling and frees every model, each after its last request.

        Args:
          timeout_s: Longest wait for requests in progress, in seconds.

        Returns:
          False if some of them did not finish, and their models could not be freed.
        """
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join()
        self._loads.shutdown(wait=False, cancel_futures=True)
        self._unloads.shutdown(wait=False)
        with self._changed:
            servables = [servable for versions in self._serving.values() for servable in versions.values()]
            self._serving = {}
        deadline = time.monotonic() + timeout_s
        freed = [servable.retire(max(deadline - time.monotonic(), 0.0)) for servable in servables]
        with self._changed:
            busy = [record for model in self._models.values() for record in model.versions.values() if record.busy]
        return all(freed) and not busy

    def _run(self) -> None:
        next_poll = 0.0
        while True:
            due = not self._polled or (self._poll_seconds > 0 and time.monotonic() >= next_poll)
            with self._changed:
                due = due or self._polls_wanted > self._polls_begun
                self._polls_begun += due
            if due:
                self._poll()
                next_poll = time.monotonic() + self._poll_seconds
            with self._changed:
                if self._stopping:
                    return
                self._reconcile()
                self._polled, self._polls_done = True, self._polls_begun
                # Judged here and not by whoever waits: after a failed load it takes a reconcile to know what is next.
                self._settled = all(model.is_settled() for model in self._models.values())
                self._changed.notify_all()
                if self._polls_wanted <= self._polls_begun:
                    self._changed.wait(self._seconds_to_next(next_poll))

    def _seconds_to_next(self, next_poll: float) -> float | None:
        """Returns how long there is nothing to do by the clock."""
        due = [next_poll] if self._poll_seconds > 0 else []
        due += [
            record.next_attempt
            for model in self._models.values()
            for record in model.versions.values()
            if record.state == State.LOADING and not record.busy
        ]
        return max(min(due) - time.monotonic(), 0.0) if due else None

    def _poll(self) -> None:
        """Looks at the file system. The slow part, listing folders, happens outside of the lock."""
        try:
            sources = {source.name: source for source in self._sources()}
        except Exception:
            logger.exception("The list of models cannot be read; what is served stays as it is.")
            return
        listings = {name: versions_on_disk(source.base_path) for name, source in sources.items()}
        with self._changed:
            for name, source in sources.items():
                model = self._models.setdefault(name, ModelRecord(source))
                model.source, model.removed = source, False
                listing = listings[name]
                if listing is None and not model.unreadable:  # said once, not at every poll
                    logger.warning("Could not find base path %s for servable %s", source.base_path, name)
                elif listing is not None:
                    model.on_disk = listing
                model.unreadable = listing is None
            for name, model in self._models.items():
                if name not in sources:
                    model.removed, model.on_disk = True, {}

    def _reconcile(self) -> None:
        """Starts what takes the loaded versions towards the wanted ones. Called with the lock held."""
        for model in self._models.values():
            for record in model.aspire():
                if record.is_due(self._retries):
                    record.state, record.busy = State.LOADING, True
                    self._loads.submit(self._load_version, model.source.name, record)
            for record in model.to_unload():
                servable, record.servable = record.servable, None
                record.state, record.busy = State.UNLOADING, True
                self._publish(model.source.name)
                if servable is not None:
                    self._unloads.submit(self._unload_version, record, servable)
            model.forget_ended()

    def _load_version(self, name: str, record: VersionRecord) -> None:
        """Loads one version; runs on a thread of its own."""
        seen = fingerprint(record.path)
        started = time.monotonic()
        try:
            loaded = self._load(record.path)
        except Exception as error:  # whatever it is, it is this version's failure and no more
            refused = error if isinstance(error, ServingError) else ServingError(Code.INTERNAL, repr(error))
            with self._changed:
                record.load_failed(refused, seen, self._retries)
                left = max(self._retries.max_num_retries + 1 - record.failures, 0)
                self._changed.notify_all()
            logger.error("Version %d of %s does not load (%d retries left): %s", record.version, name, left, refused)
            return
        servable = Servable(name, record.version, loaded)
        with self._changed:
            record.busy, record.error, record.failures = False, None, 0
            if record.aspired and not self._stopping:
                record.state, record.servable = State.AVAILABLE, servable
                self._publish(name)
                servable_is_used = True
            else:
                record.state = State.END
                servable_is_used = False
            self._changed.notify_all()
        if servable_is_used:
            logger.info("Loaded %s version %d in %.2f s", name, record.version, time.monotonic() - started)
        else:
            servable.retire()  # nobody wants it any more

    def _unload_version(self, record: VersionRecord, servable: Servable) -> None:
        servable.retire()
        with self._changed:
            record.state, record.busy = State.END, False
            self._changed.notify_all()
        logger.info("Unloaded %s version %d", servable.name, record.version)

    def _publish(self, name: str) -> None:
        """Replaces the table that requests read. Called with the lock held."""
        records = sorted(self._models[name].versions.values(), key=lambda r: r.version, reverse=True)
        versions = {record.version: record.servable for record in records if record.servable is not None}
        self._serving = {**self._serving, name: versions}
