"""What the report shows of the test forecasts, for TFMA: some of them whole, and the errors by step of the horizon.

Like what other models get wrong (`components.evaluator.mistakes`) it is found in the same pass as the metrics, in bounded
memory, and is bytes of JSON, which neither thresholds nor differences look at.
"""

import dataclasses
import hashlib
import heapq
import json
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from components.evaluator.mistakes import CandidateComputations
from components.series.features import HISTORY, ORIGIN, SCALE, SERIES, TARGET
from components.tfx_libraries import metric_types, tfma

# The names of the metrics, which the report reads.
FORECASTS = "forecasts"
STEPS = "steps"

# Series that are shown with all of their test forecasts, and forecasts of one of them; of the rest the worst ones are shown.
_SHOWN_SERIES = 4
_FORECASTS_OF_ONE = 60
_WORST = 8


class Forecasts(tfma.metrics.Metric):  # type: ignore[misc]
    """Some forecasts as they are.

    JSON: an object with `series`, name to a list of forecasts in the order of time, of a few series chosen by a hash of their
    names; and `worst`, the forecasts with the largest scaled errors, the worst first. A forecast is an object with `series`,
    `origin` (the last time that it knows), `history`, `target`, `forecast`, `lower`, `upper`, and `mase`.
    """

    def __init__(self, name: str = FORECASTS):
        """Has the name that results are read by."""
        super().__init__(CandidateComputations(_ForecastCombiner), name=name)


class ErrorsByStep(tfma.metrics.Metric):  # type: ignore[misc]
    """The errors at each step of the horizon.

    JSON: an object of lists, a value a step: `mase` (mean of absolute errors divided by the series' scale),
    `mean_absolute_error`, and `coverage` (share of the values that lay in the interval).
    """

    def __init__(self, name: str = STEPS):
        """Has the name that results are read by."""
        super().__init__(CandidateComputations(_StepCombiner), name=name)


@dataclasses.dataclass
class _Found:
    """Forecasts that are kept.

    Attributes:
      shown: By the hash of the series' name.
      worst: (scaled error, series, origin, forecast).
    """

    shown: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    worst: list[tuple[float, str, str, dict[str, Any]]] = dataclasses.field(default_factory=list)


class _ForecastCombiner(beam.CombineFn):
    """Keeps the same forecasts whatever came first."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> _Found:
        return _Found()

    def add_input(self, accumulator: _Found, element: metric_types.StandardMetricInputs) -> _Found:
        outputs, features = element.get_predictions(self._key.model_name), element.get_features()
        forecast: dict[str, Any] = {"series": _text(features[SERIES]), "origin": _text(features[ORIGIN])}
        forecast |= {HISTORY: _numbers(features[HISTORY]), TARGET: _numbers(element.get_labels(self._key.model_name))}
        forecast |= {name: _numbers(outputs[name]) for name in ("forecast", "lower", "upper")}
        forecast["mase"] = _numbers(outputs["mase"])[0]
        place = hashlib.sha256(forecast["series"].encode()).hexdigest()
        found = _Found({place: [forecast]}, [(forecast["mase"], forecast["series"], forecast["origin"], forecast)])
        return _merge([accumulator, found])

    def merge_accumulators(self, accumulators: Iterable[_Found]) -> _Found:
        return _merge(accumulators)

    def extract_output(self, accumulator: _Found) -> dict[metric_types.MetricKey, bytes]:
        shown = [accumulator.shown[place] for place in sorted(accumulator.shown)]
        found = {"series": {forecasts[0]["series"]: forecasts for forecasts in shown}}
        found["worst"] = [forecast for *_, forecast in accumulator.worst]  # type: ignore[assignment]
        return {self._key: json.dumps(found, ensure_ascii=False).encode()}


def _merge(accumulators: Iterable[_Found]) -> _Found:
    merged = _Found()
    for accumulator in accumulators:
        for place, forecasts in accumulator.shown.items():
            together = [*merged.shown.get(place, []), *forecasts]
            merged.shown[place] = sorted(together, key=lambda forecast: str(forecast["origin"]))[-_FORECASTS_OF_ONE:]
        merged.worst += accumulator.worst
    merged.shown = {place: merged.shown[place] for place in sorted(merged.shown)[:_SHOWN_SERIES]}
    merged.worst = heapq.nsmallest(_WORST, merged.worst, key=lambda item: (-item[0], item[1], item[2]))
    return merged


class _StepCombiner(beam.CombineFn):
    """Adds up (3, horizon): scaled errors, errors, values inside the interval; and counts the forecasts."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> tuple[npt.NDArray[np.float64], int]:
        return np.zeros((3, 0)), 0

    def add_input(
        self, accumulator: tuple[npt.NDArray[np.float64], int], element: metric_types.StandardMetricInputs
    ) -> tuple[npt.NDArray[np.float64], int]:
        outputs = element.get_predictions(self._key.model_name)
        target = np.ravel(element.get_labels(self._key.model_name)).astype(np.float64)
        forecast, lower, upper = (np.ravel(outputs[name]) for name in ("forecast", "lower", "upper"))
        error = np.abs(forecast - target)
        inside = (target >= lower) & (target <= upper)
        rows = np.stack([error / np.ravel(element.get_features()[SCALE])[0], error, inside])
        return self.merge_accumulators([accumulator, (rows, 1)])

    def merge_accumulators(
        self, accumulators: Iterable[tuple[npt.NDArray[np.float64], int]]
    ) -> tuple[npt.NDArray[np.float64], int]:
        sums, count = self.create_accumulator()
        for rows, number in accumulators:
            if number:
                sums, count = (rows if not count else sums + rows), count + number
        return sums, count

    def extract_output(self, accumulator: tuple[npt.NDArray[np.float64], int]) -> dict[metric_types.MetricKey, bytes]:
        sums, count = accumulator
        means = sums / max(count, 1)
        names = ("mase", "mean_absolute_error", "coverage")
        return {self._key: json.dumps({name: row.tolist() for name, row in zip(names, means, strict=True)}).encode()}


def _text(value: Any) -> str:
    return bytes(np.asarray(value, object).reshape(-1)[0]).decode(errors="replace")


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in np.ravel(values)]
