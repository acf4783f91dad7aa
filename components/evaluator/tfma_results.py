"""What the Evaluator asks of TFMA, and what TFMA wrote, as plain Python."""

import json
from collections.abc import Iterable
from typing import Any

from tensorflow_model_analysis.constants import TF_GENERIC
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.results import Slice
from components.evaluator.settings import Judging
from components.tfx_libraries import tfma

SIGNATURE = "evaluate"

_EXAMPLE_COUNT = "example_count"


def to_eval_config(judging: Judging) -> config_pb2.EvalConfig:
    """Returns metrics and slices as TFMA has them. There are no thresholds: the gate is `components.evaluator.gate`."""
    metrics = [_metric(figure.metric, {"name": figure.name} | figure.options) for figure in judging.figures]
    metrics.append(config_pb2.MetricConfig(class_name="ExampleCount"))
    metrics += [_metric(mistakes, {}) for mistakes in judging.mistakes]
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=SIGNATURE,
                label_key=judging.label,
                model_type=TF_GENERIC,  # which TFMA would find out by loading the model once more
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[feature]) for feature in judging.slices),
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )


def _metric(dotted_name: str, options: dict[str, Any]) -> config_pb2.MetricConfig:
    module, _, name = dotted_name.rpartition(".")
    return config_pb2.MetricConfig(class_name=name, module=module, config=json.dumps(options) if options else "")


def read_tfma_results(
    evaluation_dir: str, figures: Iterable[str]
) -> tuple[list[Slice], dict[str, float] | None, dict[str, Any]]:
    """Reads what TFX's Evaluator wrote.

    Args:
      evaluation_dir: Folder of its artifact.
      figures: Names of the metrics, in order.

    Returns:
      Results of all examples and then by slice; the baseline's metrics over all examples, None without a baseline; and what
      went wrong, by the metrics' names.
    """
    names = [name + behind for name in figures for behind in ("", "_low", "_high")]
    slices: list[Slice] = []
    baseline = None
    mistakes: dict[str, Any] = {}
    for metrics in tfma.load_metrics(evaluation_dir):
        column = metrics.slice_key.single_slice_keys
        feature, value = (column[0].column, _slice_value(column[0])) if column else ("", "")
        found: dict[str, float] = {}
        served: dict[str, float] = {}
        for item in metrics.metric_keys_and_values:
            kind = item.value.WhichOneof("type")
            if not item.key.is_diff and kind == "double_value":
                model = served if item.key.model_name == tfma.BASELINE_KEY else found
                model[item.key.name] = item.value.double_value.value
            elif not feature and kind == "bytes_value":
                mistakes[item.key.name] = json.loads(item.value.bytes_value)
        slices.append(Slice(feature, value, int(found[_EXAMPLE_COUNT]), {n: found[n] for n in names if n in found}))
        if not feature and served:
            baseline = {name: served[name] for name in names if name in served}
    slices.sort(key=lambda s: (s.feature, len(s.value), s.value))
    return slices, baseline, mistakes


def _slice_value(key: Any) -> str:
    kind = key.WhichOneof("kind")
    value = getattr(key, kind)
    return value.decode() if isinstance(value, bytes) else str(value)
