"""What the Evaluator found, as plain Python: metrics, slices, the gate's bounds, mistakes; and the file that it lies in."""

import dataclasses
import json
import os
from typing import Any

# In the Evaluator's artifact, beside TFMA's own files, which take TensorFlow to read.
FILE_NAME = "results.json"


@dataclasses.dataclass(frozen=True)
class Slice:
    """Results on the examples that share a feature's value.

    Attributes:
      feature: The feature; empty for all examples.
      value: Its value as text.
      examples: Number of examples.
      metrics: Its figures, by the names in `components.evaluator.gate`.
    """

    feature: str
    value: str
    examples: int
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Check:
    """A bound of the gate, and what was held against it.

    Attributes:
      metric: Name of the metric.
      setting: The setting that the bound comes from, such as `gate.exact_match`.
      change: Whether it bounds the metric's difference from that of the version being served, and not the metric.
      bound: The bound.
      least: Whether the value must not lie below the bound; otherwise not above it.
      value: The metric over all unseen examples, or the difference; None if no version was served to differ from.
      passed: Whether the value keeps to the bound; None if there is no value.
    """

    metric: str
    setting: str
    change: bool
    bound: float
    least: bool
    value: float | None
    passed: bool | None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of one candidate.

    Attributes:
      blessed: Whether the gate lets the candidate through.
      reasons: Why not, a sentence each.
      checks: Every bound of the gate.
      slices: The overall slice first, then by feature and value.
      baseline: Metrics over all examples of the version being served; None if none was.
      mistakes: What `components.evaluator.mistakes` found, by its metrics' names.
    """

    blessed: bool
    reasons: list[str]
    checks: list[Check]
    slices: list[Slice]
    baseline: dict[str, float] | None
    mistakes: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics over all examples."""
        return self.slices[0].metrics


def to_json(evaluation: Evaluation) -> bytes:
    """Returns the content of the file."""
    return json.dumps(dataclasses.asdict(evaluation), ensure_ascii=False).encode()


def read_evaluation(evaluation_dir: str) -> Evaluation:
    """Reads the file in an Evaluator's artifact."""
    with open(os.path.join(evaluation_dir, FILE_NAME), encoding="utf-8") as file:
        fields = json.load(file)
    checks = [Check(**check) for check in fields.pop("checks")]
    return Evaluation(checks=checks, slices=[Slice(**part) for part in fields.pop("slices")], **fields)
