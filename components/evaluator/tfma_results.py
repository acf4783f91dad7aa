"""What TFMA wrote for the Evaluator, as plain Python; in words, why a candidate is refused."""

import json
import math
from typing import Any

from google.protobuf import wrappers_pb2
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from components.evaluator.gate import CONFUSION, SEQ2SEQ_METRICS, TEXT_METRICS, WORST
from components.evaluator.results import Check, Evaluation, Slice
from components.tfx_libraries import tfma

_EXAMPLE_COUNT = "example_count"


def read_tfma_results(evaluation_dir: str, eval_config: config_pb2.EvalConfig) -> Evaluation:
    """Reads what TFX's Evaluator wrote.

    Args:
      evaluation_dir: Folder of its artifact.
      eval_config: What it was asked for.
    """
    slices: list[Slice] = []
    baseline = None
    mistakes: dict[str, Any] = {}
    for metrics in tfma.load_metrics(evaluation_dir):
        column = metrics.slice_key.single_slice_keys
        feature, value = (column[0].column, _slice_value(column[0])) if column else ("", "")
        figures: dict[str, float] = {}
        baseline_figures: dict[str, float] = {}
        for item in metrics.metric_keys_and_values:
            if not item.key.is_diff and item.value.WhichOneof("type") == "double_value":
                kind = baseline_figures if item.key.model_name == tfma.BASELINE_KEY else figures
                kind[item.key.name] = item.value.double_value.value
            elif not feature and item.key.name in (WORST, CONFUSION):
                mistakes[item.key.name] = json.loads(item.value.bytes_value)
        examples = int(figures.pop(_EXAMPLE_COUNT))
        slices.append(Slice(feature, value, examples, _in_order(figures)))
        if not feature and baseline_figures:
            baseline_figures.pop(_EXAMPLE_COUNT, None)
            baseline = _in_order(baseline_figures)
    slices.sort(key=lambda s: (s.feature, len(s.value), s.value))
    validation = tfma.load_validation_result(evaluation_dir)
    checks = _checks(eval_config, validation, slices[0].metrics, baseline)
    return Evaluation(validation.validation_ok, _reasons(validation), checks, slices, baseline, mistakes)


def _checks(
    eval_config: config_pb2.EvalConfig,
    validation: validation_result_pb2.ValidationResult,
    metrics: dict[str, float],
    baseline: dict[str, float] | None,
) -> list[Check]:
    """Returns every bound on all examples, with TFMA's verdict."""
    failed = {
        (failure.metric_key.name, failure.metric_key.is_diff)
        for part in validation.metric_validations_per_slice
        for failure in part.failures
    }
    checks = []
    for metric in eval_config.metrics_specs[0].metrics:
        for threshold in (per_slice.threshold for per_slice in metric.per_slice_thresholds):
            name = json.loads(metric.config)["name"]
            bounds, change = threshold.value_threshold, threshold.change_threshold
            least = not bounds.HasField("upper_bound")
            bound = _number(bounds.lower_bound if least else bounds.upper_bound)
            setting = f"gate.{name}"
            checks.append(Check(name, setting, False, bound, least, metrics[name], (name, False) not in failed))
            rise = metrics[name] - baseline[name] if baseline else None
            passed = (name, True) not in failed if baseline else None
            setting = "gate.largest_drop" if least else "gate.largest_rise"
            checks.append(Check(name, setting, True, _number(change.absolute), least, rise, passed))
    return checks


def _reasons(validation: validation_result_pb2.ValidationResult) -> list[str]:
    reasons = []
    for failed_slice in validation.metric_validations_per_slice:
        column = failed_slice.slice_key.single_slice_keys
        where = f"{column[0].column} {_slice_value(column[0])}" if column else "all unseen examples"
        for failure in failed_slice.failures:
            value = failure.metric_value.double_value.value
            threshold = failure.metric_threshold
            if failure.metric_key.is_diff:
                rising = threshold.change_threshold.direction == config_pb2.MetricDirection.LOWER_IS_BETTER
                side, setting = ("above", "largest_rise") if rising else ("below", "largest_drop")
                reasons.append(
                    f"{failure.metric_key.name} on {where} lies {abs(value):.4f} {side} that of the version being served; "
                    f"at most {abs(_number(threshold.change_threshold.absolute)):.4f} is allowed (gate.{setting})"
                )
            elif math.isnan(value):
                reasons.append(f"{failure.metric_key.name} on {where} could not be computed: {failure.message}")
            else:
                bounds = threshold.value_threshold
                upper = bounds.HasField("upper_bound")
                bound = f"at {'most' if upper else 'least'} {_number(bounds.upper_bound if upper else bounds.lower_bound):.4f}"
                reasons.append(
                    f"{failure.metric_key.name} on {where} is {value:.4f}; "
                    f"{bound} is needed (gate.{failure.metric_key.name})"
                )
    for missing in validation.missing_slices:
        reasons.append(f"no example fell into a slice that has a threshold: {str(missing).strip()}")
    if not validation.validation_ok and not reasons:
        reasons.append("no threshold was checked, so nothing can be blessed; set one in the gate's settings")
    return reasons


def _in_order(figures: dict[str, float]) -> dict[str, float]:
    """Returns figures in the gate's order, the one that decides first."""
    return {name: figures[name] for name in (*SEQ2SEQ_METRICS, *TEXT_METRICS) if name in figures}


def _number(value: wrappers_pb2.DoubleValue) -> float:
    return float(value.value)


def _slice_value(key: Any) -> str:
    kind = key.WhichOneof("kind")
    value = getattr(key, kind)
    return value.decode() if isinstance(value, bytes) else str(value)
