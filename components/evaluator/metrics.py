"""The Evaluator's metrics, for TFMA.

The `evaluate` signature judges every example inside the graph, so all that a metric has to do is to add up and divide. Every
metric is a ratio of two sums and comes with a 95% interval, `_low` and `_high`.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from components.tfx_libraries import metric_types, metric_util, tfma

# What a model that has diverged may need.
_LARGEST_EXPONENT = math.log(sys.float_info.max)

# From nats per character; each rises with them.
_UNITS: dict[str, Callable[[float], float]] = {
    "": lambda value: value,
    "bits": lambda nats: nats / math.log(2),
    "perplexity": lambda nats: math.inf if nats > _LARGEST_EXPONENT else math.exp(nats),
}


# The number of examples, beside the names of the outputs.
_EXAMPLES = ""

# Two-sided 95% of the normal distribution.
_Z = 1.959964

_Interval = tuple[float, float]


class MeanOutput(tfma.metrics.Metric):  # type: ignore[misc]
    """The mean over examples of a scalar output of the model's evaluation signature, by the output's name."""

    def __init__(self, name: str, least: float = -math.inf, most: float = math.inf):
        """Averages the output `name`; the metric has that name too.

        Args:
          name: The output's name.
          least: The least that an output can be; the interval does not go below it.
          most: The most that it can be.
        """
        super().__init__(metric_util.merge_per_key_computations(_mean), name=name, least=least, most=most)


class Share(tfma.metrics.Metric):  # type: ignore[misc]
    """The share of examples for which an output is 1 and not 0, by the output's name. Its interval is Wilson's (1927)."""

    def __init__(self, name: str):
        """Averages the output `name`; the metric has that name too."""
        super().__init__(metric_util.merge_per_key_computations(_share), name=name)


class Ratio(tfma.metrics.Metric):  # type: ignore[misc]
    """The sum over examples of one output, over that of another."""

    def __init__(
        self, name: str, numerator: str, denominator: str, sign: float = 1.0, unit: str = "", least: float = -math.inf
    ):
        """Divides.

        Args:
          name: The metric's name.
          numerator: An output.
          denominator: Another.
          sign: What the quotient is multiplied by.
          unit: What becomes of it then: nothing, `bits` (from nats) or `perplexity`.
          least: The least that the metric can be; the interval does not go below it.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_ratio),
            name=name,
            numerator=numerator,
            denominator=denominator,
            sign=sign,
            unit=unit,
            least=least,
        )


def wilson_interval(successes: float, trials: float) -> _Interval:
    """Returns the 95% interval of a share by Wilson (1927), https://doi.org/10.1080/01621459.1927.10502953."""
    share = successes / trials
    center = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return max(0.0, center - half), min(1.0, center + half)


def _mean(name: str, least: float, most: float, model_name: str = "") -> metric_types.MetricComputations:
    def mean(sums: "_Sums") -> tuple[float, float, float]:
        value, low, high = sums.ratio(name, _EXAMPLES)
        return value, max(least, low), min(most, high)

    return _computations(name, model_name, mean)


def _share(name: str, model_name: str = "") -> metric_types.MetricComputations:
    def share(sums: "_Sums") -> tuple[float, float, float]:
        successes, trials = sums.total(name), sums.total(_EXAMPLES)
        return successes / trials, *wilson_interval(successes, trials)

    return _computations(name, model_name, share)


def _ratio(
    name: str, numerator: str, denominator: str, sign: float, unit: str, least: float, model_name: str = ""
) -> metric_types.MetricComputations:
    def ratio(sums: "_Sums") -> tuple[float, float, float]:
        value, low, high = (sign * part for part in sums.ratio(numerator, denominator))
        return _UNITS[unit](value), max(least, _UNITS[unit](min(low, high))), _UNITS[unit](max(low, high))

    return _computations(name, model_name, ratio)


def _computations(
    name: str, model_name: str, finish: Callable[["_Sums"], tuple[float, float, float]]
) -> metric_types.MetricComputations:
    """Returns the sums of a model's outputs, which are the same for all metrics and made once, and what is derived of them."""
    sums = metric_types.MetricKey(name="_sums", model_name=model_name)  # not written, for its underscore
    keys = [metric_types.MetricKey(name=name + behind, model_name=model_name) for behind in ("", "_low", "_high")]

    def derive(metrics: Mapping[metric_types.MetricKey, "_Sums"]) -> dict[metric_types.MetricKey, float]:
        try:
            return dict(zip(keys, finish(metrics[sums]), strict=True))
        except ZeroDivisionError:
            return dict.fromkeys(keys, float("nan"))
        except KeyError:
            if model_name != tfma.BASELINE_KEY:
                raise
            return {}  # a version that was served before this output was there

    return [
        metric_types.MetricComputation(keys=[sums], preprocessors=None, combiner=_SumCombiner(sums)),
        metric_types.DerivedMetricComputation(keys=keys, result=derive),
    ]


class _Sums:
    """Sums over examples of all products of two outputs, one of which may be the constant 1 (`_EXAMPLES`)."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.products: npt.NDArray[np.float64] = np.zeros((0, 0))

    def add(self, outputs: dict[str, float]) -> None:
        if not self.names:
            self.names = list(outputs)
            self.products = np.zeros((len(outputs), len(outputs)))
        values = np.array([outputs[name] for name in self.names])
        self.products += values[:, np.newaxis] * values

    def total(self, name: str) -> float:
        return self._product(name, _EXAMPLES)

    def ratio(self, numerator: str, denominator: str) -> tuple[float, float, float]:
        """Returns a ratio of sums and its 95% interval, by linearization (Cochran 1977, Sampling Techniques, 6.3)."""
        ratio = self.total(numerator) / self.total(denominator)
        residual = (
            self._product(numerator, numerator)
            - 2 * ratio * self._product(numerator, denominator)
            + ratio**2 * self._product(denominator, denominator)
        )
        half = _Z * math.sqrt(max(residual, 0.0)) / abs(self.total(denominator))
        return ratio, ratio - half, ratio + half

    def _product(self, one: str, other: str) -> float:
        missing = [name for name in (one, other) if name not in self.names]
        if missing:
            raise KeyError(missing[0])
        return float(self.products[self.names.index(one), self.names.index(other)])


class _SumCombiner(beam.CombineFn):
    """The sums of one model's evaluation signature."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> _Sums:
        return _Sums()

    def add_input(self, accumulator: _Sums, element: metric_types.StandardMetricInputs) -> _Sums:
        outputs: dict[str, float] = {_EXAMPLES: 1.0}
        for name, value in sorted(element.get_predictions(self._key.model_name).items()):
            if value.dtype.kind == "f" and value.size == 1:  # not what a forecast has at each of its steps
                outputs[name] = value.item()
        accumulator.add(outputs)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Sums]) -> _Sums:
        merged = _Sums()
        for accumulator in accumulators:
            if not merged.names:
                merged.names, merged.products = accumulator.names, accumulator.products.copy()
            elif accumulator.names:
                merged.products = merged.products + accumulator.products
        return merged

    def extract_output(self, accumulator: _Sums) -> dict[metric_types.MetricKey, Any]:
        return {self._key: accumulator}
