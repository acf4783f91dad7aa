"""The Evaluator's metrics, for TFMA.

The `evaluate` signature judges every example inside the graph, so that all a metric has to do is to add up and divide.
"""

import math
from collections.abc import Callable, Iterable

import apache_beam as beam
import numpy as np

from components.tfx_libraries import metric_types, metric_util, tfma

# From nats per character.
_UNITS: dict[str, Callable[[float], float]] = {
    "bits_per_character": lambda nats: nats / math.log(2),
    "nats_per_character": lambda nats: nats,
    "perplexity": math.exp,
}


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
    return _computations(name, model_name, name, "", lambda mean: mean)


def _rates(name: str, model_name: str = "") -> metric_types.MetricComputations:
    return _computations(name, model_name, "log_prob", "characters", _PerCharacterUnit(name))


class _PerCharacterUnit:
    """Mean log-probability to a unit; a class, for Beam pickles it by name."""

    def __init__(self, name: str):
        self._name = name

    def __call__(self, mean: float) -> float:
        return _UNITS[self._name](-mean)


def _computations(
    name: str, model_name: str, output: str, weight: str, finish: Callable[[float], float]
) -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name)
    combiner = _RatioCombiner(key, output, weight, finish)
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class _RatioCombiner(beam.CombineFn):
    """The sum of an output over the sum of another, or over the number of examples, for one model."""

    def __init__(self, key: metric_types.MetricKey, output: str, weight: str, finish: Callable[[float], float]):
        self._key, self._output, self._weight, self._finish = key, output, weight, finish

    def create_accumulator(self) -> tuple[float, float]:
        return 0.0, 0.0

    def add_input(
        self, accumulator: tuple[float, float], element: metric_types.StandardMetricInputs
    ) -> tuple[float, float]:
        outputs = element.get_predictions(self._key.model_name)
        total, weight = accumulator
        return total + _scalar(outputs[self._output]), weight + (
            _scalar(outputs[self._weight]) if self._weight else 1.0
        )

    def merge_accumulators(self, accumulators: Iterable[tuple[float, float]]) -> tuple[float, float]:
        totals, weights = zip(*accumulators, strict=True)
        return sum(totals), sum(weights)

    def extract_output(self, accumulator: tuple[float, float]) -> dict[metric_types.MetricKey, float]:
        total, weight = accumulator
        return {self._key: self._finish(total / weight) if weight else float("nan")}


def _scalar(value: object) -> float:
    return float(np.asarray(value).reshape(()))
