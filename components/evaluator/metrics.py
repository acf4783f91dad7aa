"""The Evaluator's metrics, for TFMA.

The `evaluate` signature judges every example inside the graph, so that all a metric has to do is to take the mean.
"""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

from components.tfx_libraries import metric_types, metric_util, tfma


class MeanOutput(tfma.metrics.Metric):  # type: ignore[misc]
    """The mean over examples of a scalar output of the model's evaluation signature."""

    def __init__(self, name: str):
        """Averages the output `name`; the metric has that name too."""
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


def _computations(name: str, model_name: str = "") -> metric_types.MetricComputations:
    key = metric_types.MetricKey(name=name, model_name=model_name)
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=_MeanCombiner(key))]


class _MeanCombiner(beam.CombineFn):
    """Sum and count of an output, for one model."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> tuple[float, int]:
        return 0.0, 0

    def add_input(
        self, accumulator: tuple[float, int], element: metric_types.StandardMetricInputs
    ) -> tuple[float, int]:
        outputs = element.get_predictions(self._key.model_name)
        total, count = accumulator
        return total + float(np.asarray(outputs[self._key.name]).reshape(())), count + 1

    def merge_accumulators(self, accumulators: Iterable[tuple[float, int]]) -> tuple[float, int]:
        totals, counts = zip(*accumulators, strict=True)
        return sum(totals), sum(counts)

    def extract_output(self, accumulator: tuple[float, int]) -> dict[metric_types.MetricKey, float]:
        total, count = accumulator
        return {self._key: total / count if count else float("nan")}
