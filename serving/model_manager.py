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
from dataclasses import dataclass, field
from enum import IntEnum

from serving.errors import Code, ServingError
from serving.saved_model import SavedModel
from serving.servable import Servable
from serving.versions import ModelSource, fingerprint, versions_on_disk

logger = logging.getLogger(__name__)

# Ended versions stay in the answers of GetModelStatus, as in TensorFlow Serving, but not without end.
_ENDED_VERSIONS_KEPT = 1000


class State(IntEnum):
    """States of a version, with the numbers of ``ModelVersionStatus.State``."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """What GetModelStatus says of one version.

    Attributes:
      version: The version.
      state: Where it is in its life.
      error: Why its last load failed; a version that is waiting for its next attempt is LOADING and has one.
    """

    version: int
    state: State
    error: ServingError | None = None


@dataclass(frozen=True)
class LoadRetries:
    """How often a failed load is tried again.

    Attributes:
      max_num_retries: Attempts after the first one.
      interval_s: Seconds between two attempts. Files that changed since are a reason not to wait.
    """

    max_num_retries: int = 5
    interval_s: float = 60.0


@dataclass
class _Record:
    """What the manager knows of one version; guarded by the manager's lock."""

    version: int
    path: str
    state: State = State.START
    aspired: bool = True
    busy: bool = False  # a load or unload is in progress on another thread
    failures: int = 0
    next_attempt: float = 0.0  # on time.monotonic()
    error: ServingError | None = None
    seen: tuple[tuple[str, int, int], ...] = ()  # the files at the last failure
    servable: Servable | None = None


@dataclass
class _Model:
    source: ModelSource
    on_disk: dict[int, str] = field(default_factory=dict)
    removed: bool = False
    records: dict[int, _Record] = field(default_factory=dict)

    def available(self) -> list[_Record]:
        return [record for record in self.records.values() if record.state == State.AVAILABLE]


Loader = Callable[[str], SavedModel]


class ModelManager:
    """Keeps the models that its sources name loaded, and hands them to requests."""

    def __init__(
        self,
        sources: Callable[[], Iterable[ModelSource]],
        load: Loader,
        *,
        poll_seconds: float = 1.0,
        retries: LoadRetries | None = None,
        num_load_threads: int = 2,
    ) -> None:
        """Sets the manager up; :meth:`start` begins.

        Args:
          sources: Names the models to serve; asked at every poll.
          load: Loads and warms up the SavedModel in a folder.
          poll_seconds: Seconds between two looks at the file system; 0 to look once.
          retries: How often a failed load is tried again.
          num_load_threads: Loads at a time.
        """
        self._sources = sources
        self._load = load
        self._poll_seconds = poll_seconds
        self._retries = retries or LoadRetries()
        self._models: dict[str, _Model] = {}
        self._serving: dict[str, dict[int, Servable]] = {}  # replaced, never changed; versions in descending order
        self._changed = threading.Condition()
        self._polled = False
        self._settled = False
        self._stopping = False
        self._loads = ThreadPoolExecutor(num_load_threads, "load")
        self._unloads = ThreadPoolExecutor(8, "unload")
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
            records = sorted(model.records.values(), key=lambda r: r.version, reverse=True) if model else []
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
                lambda: self._stopping or (self._polled and all(model.records for model in self._models.values())),
                timeout_s,
            )

    def interrupt(self) -> None:
        """Ends polling and every wait of this class; safe in a signal handler's thread, unlike :meth:`stop`."""
        # A thread of its own: the handler may have interrupted the holder of the lock.
        threading.Thread(target=self._begin_to_stop, daemon=True).start()

    def _begin_to_stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends polling and frees every model, each after its last request."""
        self._begin_to_stop()
        if self._thread.is_alive():
            self._thread.join()
        self._loads.shutdown(cancel_futures=True)
        self._unloads.shutdown()
        with self._changed:
            servables = [s for versions in self._serving.values() for s in versions.values()]
            self._serving = {}
        for servable in servables:
            servable.retire()

    def _is_settled(self, model: _Model) -> bool:
        if any(record.busy and record.state == State.LOADING for record in model.records.values()):
            return False
        if model.available() or not model.records:
            return True
        return all(record.state == State.END for record in model.records.values())

    def _run(self) -> None:
        next_poll = 0.0
        while True:
            if not self._polled or (self._poll_seconds > 0 and time.monotonic() >= next_poll):
                self._poll()
                next_poll = time.monotonic() + self._poll_seconds
            with self._changed:
                if self._stopping:
                    return
                self._reconcile()
                self._polled = True
                # Judged here and not by whoever waits: after a failed load it takes a reconcile to know what is next.
                self._settled = all(self._is_settled(model) for model in self._models.values())
                self._changed.notify_all()
                self._changed.wait(self._seconds_to_next(next_poll))

    def _seconds_to_next(self, next_poll: float) -> float | None:
        """Returns how long there is nothing to do by the clock."""
        due = [next_poll] if self._poll_seconds > 0 else []
        due += [
            record.next_attempt
            for model in self._models.values()
            for record in model.records.values()
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
                model = self._models.setdefault(name, _Model(source))
                model.source, model.removed = source, False
                listing = listings[name]
                if listing is None:
                    logger.warning("Could not find base path %s for servable %s", source.base_path, name)
                else:
                    model.on_disk = listing
            for name, model in self._models.items():
                if name not in sources:
                    model.removed, model.on_disk = True, {}

    def _reconcile(self) -> None:
        """Starts what takes the loaded versions towards the wanted ones. Called with the lock held."""
        for model in self._models.values():
            wanted = self._wanted(model)
            for version in sorted(wanted, reverse=True):
                record = model.records.get(version)
                if record is None or (record.state == State.END and not record.aspired):
                    record = model.records[version] = _Record(version, model.on_disk[version])
                record.aspired = True
                self._maybe_load(model, record)
            for record in model.records.values():
                if record.version not in wanted:
                    record.aspired = False
                    if record.state in (State.START, State.LOADING) and not record.busy:
                        record.state = State.END  # it was waiting for its next attempt
            self._unload_unwanted(model)
            self._forget_ended(model)

    def _wanted(self, model: _Model) -> set[int]:
        """Returns the versions to have: what the policy selects, and an older one where none of that loads.

        The second part is for a restart: where the newest version does not load, the one before it is served, as it was
        before the restart.
        """
        wanted = model.source.policy.select(model.on_disk)
        if model.source.policy.kind != "latest" or not wanted or model.available():
            return wanted
        failed = {record.version for record in model.records.values() if record.failures}
        older = [version for version in model.on_disk if version < max(wanted) and version not in failed | wanted]
        return wanted | {max(older)} if older and wanted <= failed else wanted

    def _maybe_load(self, model: _Model, record: _Record) -> None:
        if record.busy or record.state in (State.AVAILABLE, State.UNLOADING):
            return
        if record.failures:
            gave_up = record.failures > self._retries.max_num_retries
            if (gave_up or time.monotonic() < record.next_attempt) and fingerprint(record.path) == record.seen:
                return
            if gave_up:
                record.failures = 0
        record.state, record.busy = State.LOADING, True
        self._loads.submit(self._load_version, model, record)

    def _load_version(self, model: _Model, record: _Record) -> None:
        """Loads one version; runs on a thread of its own."""
        name, version = model.source.name, record.version
        seen = fingerprint(record.path)
        started = time.monotonic()
        try:
            loaded = self._load(record.path)
        except Exception as error:  # whatever it is, it is this version's failure and no more
            refused = error if isinstance(error, ServingError) else ServingError(Code.INTERNAL, repr(error))
            self._load_failed(name, record, refused, seen)
            return
        servable = Servable(name, version, loaded)
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
            logger.info("Loaded %s version %d in %.2f s", name, version, time.monotonic() - started)
        else:
            servable.retire()  # nobody wants it any more

    def _load_failed(
        self, name: str, record: _Record, error: ServingError, seen: tuple[tuple[str, int, int], ...]
    ) -> None:
        with self._changed:
            record.busy, record.error, record.seen = False, error, seen
            record.failures += 1
            record.next_attempt = time.monotonic() + self._retries.interval_s
            if record.failures > self._retries.max_num_retries or not record.aspired:
                record.state = State.END
            left = max(self._retries.max_num_retries + 1 - record.failures, 0)
            self._changed.notify_all()
        logger.error("Version %d of %s does not load (%d attempts left): %s", record.version, name, left, error)

    def _unload_unwanted(self, model: _Model) -> None:
        """Unloads what no policy wants any more, once something that is wanted has taken over."""
        available = model.available()
        unwanted = sorted((r for r in available if not r.aspired), key=lambda r: r.version)
        nothing_wanted = not any(record.aspired for record in model.records.values())
        if not nothing_wanted and not any(record.aspired for record in available):
            unwanted = unwanted[:-1]  # the last one goes on until its successor is there
        for record in unwanted:
            servable, record.servable = record.servable, None
            record.state, record.busy = State.UNLOADING, True
            self._publish(model.source.name)
            if servable is not None:
                self._unloads.submit(self._unload_version, record, servable)

    def _unload_version(self, record: _Record, servable: Servable) -> None:
        servable.retire()
        with self._changed:
            record.state, record.busy = State.END, False
            self._changed.notify_all()
        logger.info("Unloaded %s version %d", servable.name, record.version)

    def _forget_ended(self, model: _Model) -> None:
        ended = sorted(r.version for r in model.records.values() if r.state == State.END and not r.aspired)
        for version in ended[:-_ENDED_VERSIONS_KEPT]:
            del model.records[version]

    def _publish(self, name: str) -> None:
        """Replaces the table that requests read. Called with the lock held."""
        records = sorted(self._models[name].records.values(), key=lambda r: r.version, reverse=True)
        versions = {record.version: record.servable for record in records if record.servable is not None}
        self._serving = {**self._serving, name: versions}
