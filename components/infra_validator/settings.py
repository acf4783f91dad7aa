"""Settings of the InfraValidator."""

import dataclasses

from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class InfraSettings:
    """How a candidate is tried out.

    Attributes:
      requests: Requests that are sent one by one, made from training examples. They are also the warm-up requests.
      batch: Examples of one more request, which has all of them: the answers must not depend on the batch.
      timeout: Most seconds for starting the server and loading the model, and most seconds for each answer.
    """

    requests: int = 16
    batch: int = 64
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if not 1 <= self.requests <= 1000:
            raise SettingsError(f"infra.requests is {self.requests}; TensorFlow Serving replays 1 to 1,000")
        if not 1 <= self.batch <= 1000:
            raise SettingsError(f"infra.batch is {self.batch}; a server takes 1 to 1,000 rows in a request")
        if self.timeout <= 0:
            raise SettingsError("infra.timeout must be positive")
