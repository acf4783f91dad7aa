"""What became of a canary: the answer of ``serving.rollout.canary``, and how it travels to who started it."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class CanaryResult:
    """What became of a canary.

    Attributes:
      model: The model.
      version: The version that was tried.
      stable: The version that is stable now; None if there is none.
      promoted: Whether that is the version that was tried.
      reasons: Why not.
      requests: Recorded requests that it was sent.
      agreement: Share of those that both answered in strings, and the same; None if there were none.
      slowdown: Its median latency divided by the stable version's; None if there was none.
    """

    model: str
    version: int
    stable: int | None
    promoted: bool
    reasons: tuple[str, ...]
    requests: int
    agreement: float | None = None
    slowdown: float | None = None

    def to_json(self) -> str:
        """Returns it as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what :meth:`to_json` wrote.

        Raises:
          ValueError: it is none of these.
        """
        fields = json.loads(text)
        try:
            return cls(**{**fields, "reasons": tuple(fields["reasons"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"This is no result of a canary: {text[:200]}") from error
