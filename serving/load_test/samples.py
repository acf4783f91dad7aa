"""What a load test has measured: every request, and the figures."""

import math
from array import array
from collections.abc import MutableSequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LoadResult:
    """What a load test measured.

    Attributes:
      callers: Requests in flight at a time.
      seconds: How long it took.
      requests: Requests answered.
      throughput: Requests answered a second.
      p50_ms: Half of the answers took at most this long, in milliseconds.
      p99_ms: 99 of 100 did.
      max_ms: All of them did.
      errors: Status code to how many requests ended with it.
    """

    callers: int
    seconds: float
    requests: int
    throughput: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: dict[str, int]


@dataclass
class LoadSamples:
    """Every request of a load test.

    Attributes:
      callers: Requests in flight at a time.
      seconds: How long it took.
      finished: When each answer came, in seconds since the beginning.
      latencies: How long each took, in seconds.
      errors: Status code to when the requests ended with it.
    """

    callers: int
    seconds: float
    finished: MutableSequence[float] = field(default_factory=lambda: array("d"))
    latencies: MutableSequence[float] = field(default_factory=lambda: array("d"))
    errors: dict[str, MutableSequence[float]] = field(default_factory=dict)

    def result(self) -> LoadResult:
        """Returns the figures."""
        latencies = sorted(self.latencies)

        def percentile(share: float) -> float:
            return latencies[min(int(share * len(latencies)), len(latencies) - 1)] * 1000 if latencies else math.nan

        return LoadResult(
            self.callers,
            self.seconds,
            len(latencies),
            len(latencies) / self.seconds,
            percentile(0.5),
            percentile(0.99),
            percentile(1.0),
            {code: len(times) for code, times in self.errors.items()},
        )
