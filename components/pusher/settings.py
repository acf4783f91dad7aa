"""Settings of the Pusher."""

import dataclasses

from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class RolloutSettings:
    """How a pushed version gets to be the one that is served.

    Attributes:
      server: HOST:PORT of the running server of the serving folder: a pushed version becomes its canary, is tried with
        recorded requests beside the stable version, and is promoted or left. Empty: a push is all, and a server that was told
        nothing else follows the newest version.
      recorded: Recorded requests, TFRecord files of PredictionLog as a server logs them: a file, a pattern of files, or the
        `filename_prefix` of a log. Empty: the version's warm-up requests.
      max_slowdown: Most times the stable version's median latency.
      min_agreement: Least share of answers that are the stable version's; a better model answers otherwise, so 0 asks nothing.
    """

    server: str = ""
    recorded: str = ""
    max_slowdown: float = 3.0
    min_agreement: float = 0.0

    def __post_init__(self) -> None:
        if self.server and not self.server.rpartition(":")[2].isdigit():
            raise SettingsError(f"rollout.server is {self.server!r}; it is HOST:PORT, such as 127.0.0.1:8500")
        if self.max_slowdown < 1 or not 0 <= self.min_agreement <= 1:
            raise SettingsError("rollout.max_slowdown must be at least 1, and rollout.min_agreement from 0 to 1")
        if not self.server and any(getattr(self, field.name) != field.default for field in dataclasses.fields(self)):
            raise SettingsError("rollout: nothing is tried without rollout.server, the HOST:PORT of a running server")
