"""The Evaluator's metrics, for TFMA.

The `evaluate` signature judges every example inside the graph, so that all a metric has to do is to add up and divide.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import apache_beam as beam

from components.tfx_libraries import metric_types, metric_util, tfma

# From nats per character.
_UNITS: dict[str, Callable[[float], float]] = {
    "bits_per_character": lambda nats: nats / math.log(2),
    "nats_per_character": lambda nats: nats,
    "perplexity": math.exp,
}

# How many examples there were, beside the names of the outputs.
_EXAMPLES = ""


class MeanOutput(tfma.metrics.Metric):  # type: ignore[misc]
    """The mean over examples of a scalar output of the model's evaluation signature."""

    def __init__(self, name: str):
        """Averages the output `name`; the metric has that name too."""
        super().__init__(metric_util.merge_per_key_computations(_means), name=name)


class PerCharacter(tfma.metrics.Metric):  # type: ignore[misc]
    """How badly a language model predicts a character: minus the outputs `log_prob`, all added up, over `characters`."""

    def __init__(self, name: str):
        """Takes the unit, `bits_per_character`, `nats_per_character` or `perplexity`, which is the metric's name too."""
        super().__init__(metric_util.merge_per_key_computations(_rates), name=name)


def _means(name: str, model_name: str = "") -> metric_types.MetricComputations:
    return _computations(name, model_name, name, _EXAMPLES, lambda mean: mean)


def _rates(name: str, model_name: str = "") -> metric_types.MetricComputations:
    return _computations(name, model_name, "log_prob", "characters", lambda mean: _UNITS[name](-mean))


def _computations(
    name: str, model_name: str, output: str, weight: str, finish: Callable[[float], float]
) -> metric_types.MetricComputations:
    """Returns the sums of a model's outputs, which are the same for all metrics and made once, and what is derived of them."""
    sums = metric_types.MetricKey(name="_sums", model_name=model_name)  # not written, for its underscore
    key = metric_types.MetricKey(name=name, model_name=model_name)

    def divide(metrics: Mapping[metric_types.MetricKey, dict[str, float]]) -> dict[metric_types.MetricKey, float]:
        found = metrics[sums]
        return {key: finish(found[output] / found[weight]) if found.get(weight) else float("nan")}

    return [
        metric_types.MetricComputation(keys=[sums], preprocessors=None, combiner=_SumCombiner(sums)),
        metric_types.DerivedMetricComputation(keys=[key], result=divide),
    ]


class _SumCombiner(beam.CombineFn):
    """The sum of every floating-point output of one model's evaluation signature, and the number of examples."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> Counter[str]:
        return Counter()

    def add_input(self, accumulator: Counter[str], element: metric_types.StandardMetricInputs) -> Counter[str]:
        accumulator[_EXAMPLES] += 1
        for name, value in element.get_predictions(self._key.model_name).items():
            if value.dtype.kind == "f":
                accumulator[name] += value.item()
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counter[str]]) -> Counter[str]:
        merged: Counter[str] = Counter()
        for accumulator in accumulators:
            merged.update(accumulator)
        return merged

    def extract_output(self, accumulator: Counter[str]) -> dict[metric_types.MetricKey, dict[str, float]]:
        return {self._key: dict(accumulator)}  # in which what the model does not give is missing, and not 0
