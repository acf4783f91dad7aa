"""What is known of a model's versions, and what is to be done next: the decisions of the manager, without its threads.

The rules are those of TensorFlow Serving's availability-preserving policy: load before unload, and never unload the last
version that works.
"""

import time
from dataclasses import dataclass, field
from enum import IntEnum

from serving.contract.errors import ServingError
from serving.contract.versions import ModelSource, fingerprint
from serving.server.models.servable import Servable

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
class VersionRecord:
    """What is known of one version.

    Attributes:
      version: The version.
      path: Its folder.
      state: Where it is in its life.
      aspired: Whether it is wanted.
      busy: Whether a load or unload is in progress.
      failures: Failed loads in a row.
      next_attempt: When to load again after a failure, on ``time.monotonic()``.
      error: Why the last load failed.
      seen: The files at the last failure.
      servable: The loaded model, while it is available.
    """

    version: int
    path: str
    state: State = State.START
    aspired: bool = True
    busy: bool = False
    failures: int = 0
    next_attempt: float = 0.0
    error: ServingError | None = None
    seen: tuple[tuple[str, int, int], ...] = ()
    servable: Servable | None = None

    def is_due(self, retries: LoadRetries) -> bool:
        """Says whether to load it now; after the last retry only if its files have changed since."""
        if self.busy or self.state in (State.AVAILABLE, State.UNLOADING):
            return False
        if not self.failures:
            return True
        gave_up = self.failures > retries.max_num_retries
        waiting = gave_up or time.monotonic() < self.next_attempt
        if waiting and fingerprint(self.path) == self.seen:
            return False
        if gave_up:
            self.failures = 0
        return True

    def load_failed(self, error: ServingError, seen: tuple[tuple[str, int, int], ...], retries: LoadRetries) -> None:
        """Notes a failed load and when the next attempt is."""
        self.busy, self.error, self.seen = False, error, seen
        self.failures += 1
        self.next_attempt = time.monotonic() + retries.interval_s
        if self.failures > retries.max_num_retries or not self.aspired:
            self.state = State.END


@dataclass
class ModelRecord:
    """What is known of one model.

    Attributes:
      source: Where it comes from.
      on_disk: Its version folders at the last look, version to path.
      removed: Whether its source is gone.
      unreadable: Whether its folder could not be read at the last look.
      versions: Every version there was, loaded or not.
    """

    source: ModelSource
    on_disk: dict[int, str] = field(default_factory=dict)
    removed: bool = False
    unreadable: bool = False
    versions: dict[int, VersionRecord] = field(default_factory=dict)

    def available(self) -> list[VersionRecord]:
        """Returns the versions that answer requests."""
        return [record for record in self.versions.values() if record.state == State.AVAILABLE]

    def is_settled(self) -> bool:
        """Says whether there is nothing to wait for: a version is available, or every one has failed for good."""
        if any(record.busy and record.state == State.LOADING for record in self.versions.values()):
            return False
        return bool(self.available()) or all(record.state == State.END for record in self.versions.values())

    def aspire(self) -> list[VersionRecord]:
        """Works out which versions are wanted, and notes it in their records.

        Returns:
          The records of the wanted versions, highest first.
        """
        wanted = self._wanted()
        for version in wanted:
            record = self.versions.get(version)
            if record is None or (record.state == State.END and not record.aspired):
                record = self.versions[version] = VersionRecord(version, self.on_disk[version])
            record.aspired = True
        for record in self.versions.values():
            if record.version not in wanted:
                record.aspired = False
                if record.state in (State.START, State.LOADING) and not record.busy:
                    record.state = State.END  # it was waiting for its next attempt
        return [self.versions[version] for version in sorted(wanted, reverse=True)]

    def to_unload(self) -> list[VersionRecord]:
        """Returns what nobody wants any more, without the last one that works until a wanted one has taken over."""
        available = self.available()
        unwanted = sorted((record for record in available if not record.aspired), key=lambda record: record.version)
        something_wanted = any(record.aspired for record in self.versions.values())
        taken_over = any(record.aspired for record in available)
        return unwanted[:-1] if something_wanted and not taken_over else unwanted

    def forget_ended(self) -> None:
        """Drops the records of the oldest ended versions beyond a number of them."""
        ended = sorted(r.version for r in self.versions.values() if r.state == State.END and not r.aspired)
        for version in ended[:-_ENDED_VERSIONS_KEPT]:
            del self.versions[version]

    def _wanted(self) -> set[int]:
        """Returns the versions to have: what the policy selects, and an older one where none of that loads.

        The second part is for a restart: where the newest version does not load, the one before it is served, as it was
        before the restart.
        """
        wanted = self.source.policy.select(self.on_disk)
        if self.source.policy.kind != "latest" or not wanted or self.available():
            return wanted
        failed = {record.version for record in self.versions.values() if record.failures}
        older = [version for version in self.on_disk if version < max(wanted) and version not in failed | wanted]
        return wanted | {max(older)} if older and wanted <= failed else wanted
