"""What the Evaluator found, as plain Python: metrics, slices, the gate's bounds, mistakes; and the file that it lies in."""

import dataclasses
import json
import os
from typing import Any, Literal

# In the Evaluator's artifact, beside TFMA's own files, which take TensorFlow to read.
FILE_NAME = "results.json"


@dataclasses.dataclass(frozen=True)
class Slice:
    """Results on the examples that share a feature's value.

    Attributes:
      feature: The feature; empty for all examples.
      value: Its value as text.
      examples: Number of examples.
      metrics: Its figures by name, the one that decides first, with their 95% intervals (`_low`, `_high`).
    """

    feature: str
    value: str
    examples: int
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Check:
    """A bound of the gate, and what was held against it.

    Attributes:
      kind: `bound`: a fixed bound. `change`: a bound on the difference from the served version. `floor`: what a simple method
        reaches, which must be beaten.
      metric: Name of the metric.
      setting: The setting that the bound comes from, such as `gate.exact_match`.
      bound: The bound.
      least: Whether the value must not lie below the bound; otherwise not above it.
      value: The metric over all test examples, or the difference; None if no version was served to differ from.
      passed: Whether the value keeps to the bound; None if there is no value.
      note: The floor's name; or whether a difference is more than noise.
    """

    kind: Literal["bound", "change", "floor"]
    metric: str
    setting: str
    bound: float
    least: bool
    value: float | None
    passed: bool | None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Floor:
    """What a simple method reaches on the test examples.

    Attributes:
      name: The method, in words.
      metrics: Its figures, by the names of the model's.
    """

    name: str
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of one candidate.

    Attributes:
      blessed: Whether the gate lets the candidate through.
      reasons: Why not, a sentence each.
      checks: Every bound of the gate.
      slices: The overall slice first, then by feature and value.
      baseline: Metrics over all examples of the version being served; None if none was.
      floors: What simple methods reach.
      mistakes: What `components.evaluator.mistakes` found, by its metrics' names.
    """

    blessed: bool
    reasons: list[str]
    checks: list[Check]
    slices: list[Slice]
    baseline: dict[str, float] | None
    floors: list[Floor]
    mistakes: dict[str, Any]

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics over all examples."""
        return self.slices[0].metrics

    @property
    def highest_floor(self) -> Floor | None:
        """The floor that is the hardest to beat; None if there is none."""
        if not self.floors:
            return None
        name, least = next(iter(self.metrics)), all(check.least for check in self.checks)
        return max(self.floors, key=lambda floor: floor.metrics[name] if least else -floor.metrics[name])


def to_json(evaluation: Evaluation) -> bytes:
    """Returns the content of the file."""
    return json.dumps(dataclasses.asdict(evaluation), ensure_ascii=False).encode()


def read_evaluation(evaluation_dir: str) -> Evaluation:
    """Reads the file in an Evaluator's artifact."""
    with open(os.path.join(evaluation_dir, FILE_NAME), encoding="utf-8") as file:
        fields = json.load(file)
    return Evaluation(
        checks=[Check(**check) for check in fields.pop("checks")],
        slices=[Slice(**part) for part in fields.pop("slices")],
        floors=[Floor(**floor) for floor in fields.pop("floors")],
        **fields,
    )
