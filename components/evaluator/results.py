"""What the Evaluator found, as plain Python: metrics, slices, and in words why a candidate is refused."""

import dataclasses
import math
from typing import Any

from google.protobuf import wrappers_pb2
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluator.gate import METRICS
from components.tfx_libraries import tfma

_EXAMPLE_COUNT = "example_count"


@dataclasses.dataclass(frozen=True)
class Slice:
    """Results on the examples that share a feature's value.

    Attributes:
      feature: The feature; empty for all examples.
      value: Its value as text.
      examples: Number of examples.
      metrics: Mean of each metric of `components.evaluator.gate.METRICS`.
    """

    feature: str
    value: str
    examples: int
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of one candidate.

    Attributes:
      blessed: Whether the gate lets the candidate through.
      reasons: Why not, a sentence each.
      slices: The overall slice first, then by feature and value.
      baseline: Metrics over all examples of the version being served; None if none was.
    """

    blessed: bool
    reasons: list[str]
    slices: list[Slice]
    baseline: dict[str, float] | None

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics over all examples."""
        return self.slices[0].metrics


def read_evaluation(evaluation_dir: str) -> Evaluation:
    """Reads what TFX's Evaluator wrote."""
    slices: list[Slice] = []
    baseline = None
    for metrics in tfma.load_metrics(evaluation_dir):
        column = metrics.slice_key.single_slice_keys
        feature, value = (column[0].column, _slice_value(column[0])) if column else ("", "")
        figures: dict[str, float] = {}
        baseline_figures: dict[str, float] = {}
        for item in metrics.metric_keys_and_values:
            if not item.key.is_diff and item.value.WhichOneof("type") == "double_value":
                kind = baseline_figures if item.key.model_name == tfma.BASELINE_KEY else figures
                kind[item.key.name] = item.value.double_value.value
        examples = int(figures.pop(_EXAMPLE_COUNT))
        slices.append(Slice(feature, value, examples, {name: figures[name] for name in METRICS}))
        if not feature and baseline_figures:
            baseline = {name: baseline_figures[name] for name in METRICS}
    slices.sort(key=lambda s: (s.feature, len(s.value), s.value))
    validation = tfma.load_validation_result(evaluation_dir)
    return Evaluation(validation.validation_ok, _reasons(validation), slices, baseline)


def _reasons(validation: validation_result_pb2.ValidationResult) -> list[str]:
    reasons = []
    for failed_slice in validation.metric_validations_per_slice:
        column = failed_slice.slice_key.single_slice_keys
        where = f"{column[0].column} {_slice_value(column[0])}" if column else "all unseen examples"
        for failure in failed_slice.failures:
            value = failure.metric_value.double_value.value
            threshold = failure.metric_threshold
            if failure.metric_key.is_diff:
                drop = -_number(threshold.change_threshold.absolute)
                reasons.append(
                    f"{failure.metric_key.name} on {where} lies {-value:.4f} below that of the version being served; "
                    f"at most {drop:.4f} is allowed (gate.largest_drop)"
                )
            elif math.isnan(value):
                reasons.append(f"{failure.metric_key.name} on {where} could not be computed: {failure.message}")
            else:
                bound = _number(threshold.value_threshold.lower_bound)
                reasons.append(
                    f"{failure.metric_key.name} on {where} is {value:.4f}; "
                    f"at least {bound:.4f} is needed (gate.{failure.metric_key.name})"
                )
    for missing in validation.missing_slices:
        reasons.append(f"no example fell into a slice that has a threshold: {str(missing).strip()}")
    if not validation.validation_ok and not reasons:
        reasons.append("no threshold was checked, so nothing can be blessed; set one in the gate's settings")
    return reasons


def _number(value: wrappers_pb2.DoubleValue) -> float:
    return float(value.value)


def _slice_value(key: Any) -> str:
    kind = key.WhichOneof("kind")
    value = getattr(key, kind)
    return value.decode() if isinstance(value, bytes) else str(value)
