"""The gate as TFMA's evaluation config."""

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.settings import GateSettings

EXACT_MATCH = "exact_match"

# Outputs of the `evaluate` signature that are averaged: all that a report needs, the first one decides.
METRICS = (EXACT_MATCH, "character_accuracy", "log_prob")

SIGNATURE = "evaluate"


def to_eval_config(gate: GateSettings) -> tfma.EvalConfig:
    """Returns the metrics, slices and thresholds of a gate; TFMA drops the change threshold where there is no baseline."""
    # On all examples only: a slice of 40 would be refused for one mistake.
    overall = config_pb2.PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=_threshold(gate))
    metrics = [
        tfma.MetricConfig(
            class_name="MeanOutput",
            module="components.evaluator.metrics",
            config=f'{{"name": "{name}"}}',
            per_slice_thresholds=[overall] if name == EXACT_MATCH else [],
        )
        for name in METRICS
    ]
    metrics.append(tfma.MetricConfig(class_name="ExampleCount"))
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name=SIGNATURE, label_key="answer")],
        slicing_specs=[tfma.SlicingSpec(), *(tfma.SlicingSpec(feature_keys=[feature]) for feature in gate.slices)],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )


def _threshold(gate: GateSettings) -> tfma.MetricThreshold:
    return tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": gate.exact_match}),
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -gate.largest_drop}
        ),
    )
