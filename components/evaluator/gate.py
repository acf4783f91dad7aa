"""The gate as TFMA's evaluation config."""

import json

from tensorflow_model_analysis.constants import TF_GENERIC
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.settings import GateSettings, TextGateSettings

EXACT_MATCH = "exact_match"
BITS_PER_CHARACTER = "bits_per_character"

# What a report needs of each family; the first one decides.
SEQ2SEQ_METRICS = (EXACT_MATCH, "character_accuracy", "log_prob")
TEXT_METRICS = (BITS_PER_CHARACTER, "nats_per_character", "perplexity")

# What the report shows of the mistakes; see components.evaluator.mistakes.
WORST = "worst"
CONFUSION = "confusion"

SIGNATURE = "evaluate"


def to_eval_config(gate: GateSettings | TextGateSettings) -> config_pb2.EvalConfig:
    """Returns the metrics, slices and thresholds of a gate; TFMA drops the change threshold where there is no baseline."""
    text = isinstance(gate, TextGateSettings)
    names, metric_class = (TEXT_METRICS, "PerCharacter") if text else (SEQ2SEQ_METRICS, "MeanOutput")
    # On all examples only: a slice of 40 would be refused for one mistake.
    overall = config_pb2.PerSliceMetricThreshold(slicing_specs=[config_pb2.SlicingSpec()], threshold=_threshold(gate))
    metrics = [
        config_pb2.MetricConfig(
            class_name=metric_class,
            module="components.evaluator.metrics",
            config=json.dumps({"name": name}),
            per_slice_thresholds=[overall] if name == names[0] else [],
        )
        for name in names
    ]
    metrics.append(config_pb2.MetricConfig(class_name="ExampleCount"))
    metrics += [
        config_pb2.MetricConfig(class_name=mistakes, module="components.evaluator.mistakes")
        for mistakes in (("WorstPassages",) if text else ("WorstAnswers", "Confusion"))
    ]
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=SIGNATURE,
                label_key="text" if text else "answer",
                model_type=TF_GENERIC,  # which TFMA would find out by loading the model once more
            )
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[feature]) for feature in gate.slices),
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )


def _threshold(gate: GateSettings | TextGateSettings) -> config_pb2.MetricThreshold:
    if isinstance(gate, TextGateSettings):
        return config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(upper_bound={"value": gate.bits_per_character}),
            change_threshold=config_pb2.GenericChangeThreshold(
                direction=config_pb2.MetricDirection.LOWER_IS_BETTER, absolute={"value": gate.largest_rise}
            ),
        )
    return config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": gate.exact_match}),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -gate.largest_drop}
        ),
    )
