"""The gate as TFMA's evaluation config."""

from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.settings import GateSettings

EXACT_MATCH = "exact_match"

# Outputs of the `evaluate` signature that are averaged: all that a report needs, the first one decides.
METRICS = (EXACT_MATCH, "character_accuracy", "log_prob")

SIGNATURE = "evaluate"


def to_eval_config(gate: GateSettings) -> config_pb2.EvalConfig:
    """Returns the metrics, slices and thresholds of a gate; TFMA drops the change threshold where there is no baseline."""
    # On all examples only: a slice of 40 would be refused for one mistake.
    overall = config_pb2.PerSliceMetricThreshold(slicing_specs=[config_pb2.SlicingSpec()], threshold=_threshold(gate))
    metrics = [
        config_pb2.MetricConfig(
            class_name="MeanOutput",
            module="components.evaluator.metrics",
            config=f'{{"name": "{name}"}}',
            per_slice_thresholds=[overall] if name == EXACT_MATCH else [],
        )
        for name in METRICS
    ]
    metrics.append(config_pb2.MetricConfig(class_name="ExampleCount"))
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name=SIGNATURE, label_key="answer")],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[feature]) for feature in gate.slices),
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )


def _threshold(gate: GateSettings) -> config_pb2.MetricThreshold:
    return config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": gate.exact_match}),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -gate.largest_drop}
        ),
    )
