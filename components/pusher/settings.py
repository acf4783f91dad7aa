"""Settings of the Pusher."""

import dataclasses

from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class RolloutSettings:
    """How a pushed version gets to be the one that is served.

    Attributes:
      server: HOST:PORT of the running server of the serving folder. A pushed version becomes its canary, is tried with
        recorded requests next to the stable version, and is promoted or refused. Empty: the version is pushed only, and a
        server follows the newest version unless a version was promoted.
      recorded: Recorded requests, TFRecord files of PredictionLog as a server logs them: a file, a pattern of files, or the
        `filename_prefix` of a log. Empty: the version's warm-up requests.
      max_slowdown: The canary is refused if its median latency is more than so many times that of the stable version.
      min_agreement: The canary is refused if a smaller share of its answers equals those of the stable version. A better
        model gives other answers, so 0 demands nothing.
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
