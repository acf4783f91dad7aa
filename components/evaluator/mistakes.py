"""What a model gets wrong, for TFMA: found in the same pass over the examples as its metrics, in bounded memory.

TFMA's metrics are numbers or bytes; these are bytes of JSON, which neither thresholds nor differences look at.
"""

import dataclasses
import functools
import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any, TypeVar

import apache_beam as beam
import numpy as np

from components.tfx_libraries import metric_types, tfma, tfma_constants
from components.transform.token_pairs import read_line

# The names of the metrics, which the report reads.
WORST = "worst"
CONFUSION = "confusion"
UNSAYABLE = "unsayable"

# How many of the worst are kept.
_WORST = 20

# Different confusions, or tokens, that are counted at a time; the rarest give way. Digits have a few hundred confusions,
# Chinese has millions.
_COUNTED = 20_000

# So many tokens that a model lacks are listed.
_LISTED = 100

# Characters of a text's window that are kept.
_SHOWN = 240

# A window of fewer characters says little.
_FEWEST_CHARACTERS = 20

_Counted = TypeVar("_Counted")

# What is lowest is worst, what it is about, and what is shown of it.
_Item = tuple[tuple[float, ...], str, dict[str, Any]]


class WorstAnswers(tfma.metrics.Metric):  # type: ignore[misc]
    """The wrong answers that are furthest from the right one by edit distance, and of these the least likely right answers.

    JSON: a list of objects with `expression`, `answer`, `others` (that are right too), `text` (the model's answer), `edits`
    (the distance) and `log_prob` (natural logarithm of the right answer's probability), the worst first.
    """

    def __init__(self, name: str = WORST):
        """Has the name that results are read by."""
        super().__init__(CandidateComputations(_WorstCombiner, _wrong_answer), name=name)


class WorstPassages(tfma.metrics.Metric):  # type: ignore[misc]
    """The windows of a text that the candidate predicted worst.

    JSON: a list of objects with `text` (its first characters), `characters` and `nats_per_character`, the worst first.
    """

    def __init__(self, name: str = WORST):
        """Has the name that results are read by."""
        super().__init__(CandidateComputations(_WorstCombiner, _passage), name=name)


class Confusion(tfma.metrics.Metric):  # type: ignore[misc]
    """Which character the candidate's answers have where another one is right.

    JSON: a list of [position, right, predicted, count], the positions counted from the end of the answer, the last one being
    0; the empty string stands where an answer is shorter. Characters taken for themselves are counted as well.
    """

    def __init__(self, name: str = CONFUSION):
        """Has the name that results are read by."""
        super().__init__(CandidateComputations(_ConfusionCombiner), name=name)


class Unsayable(tfma.metrics.Metric):  # type: ignore[misc]
    """Tokens of what is right that the candidate cannot say, for training did not have them.

    JSON: an object with `examples`, how many have such a token in a right answer; `occurrences` of such tokens; `tokens`, a
    list of [token, occurrences], the most frequent first, at most 100; `different`, how many different ones there are.
    """

    def __init__(self, name: str = UNSAYABLE):
        """Has the name that results are read by."""
        super().__init__(CandidateComputations(_UnsayableCombiner), name=name)


class CandidateComputations:
    """Makes a metric's computation for the candidate, and none for the baseline; a class, for Beam pickles it by name."""

    def __init__(self, combiner: Callable[..., beam.CombineFn], *arguments: Any):
        self._combiner, self._arguments = combiner, arguments

    def __call__(self, name: str, model_names: list[str] | None = None) -> metric_types.MetricComputations:
        candidate = next(model_name for model_name in model_names or [""] if model_name != tfma.BASELINE_KEY)
        key = metric_types.MetricKey(name=name, model_name=candidate)
        inputs = metric_types.StandardMetricInputsPreprocessor(include_filter=[tfma_constants.FEATURES_KEY])
        combiner = self._combiner(key, *self._arguments)
        return [metric_types.MetricComputation(keys=[key], preprocessors=[inputs], combiner=combiner)]


class _WorstCombiner(beam.CombineFn):
    """Keeps the items of the lowest score, in the same order whatever came first."""

    def __init__(self, key: metric_types.MetricKey, judge: Callable[[Any, str], _Item | None]):
        self._key, self._judge = key, judge

    def create_accumulator(self) -> list[_Item]:
        return []

    def add_input(self, accumulator: list[_Item], element: metric_types.StandardMetricInputs) -> list[_Item]:
        item = self._judge(element, self._key.model_name)
        if item is None or (len(accumulator) == _WORST and item[:2] >= accumulator[-1][:2]):
            return accumulator
        return _lowest([*accumulator, item])

    def merge_accumulators(self, accumulators: Iterable[list[_Item]]) -> list[_Item]:
        return _lowest(item for accumulator in accumulators for item in accumulator)

    def extract_output(self, accumulator: list[_Item]) -> dict[metric_types.MetricKey, bytes]:
        return {self._key: json.dumps([shown for _, _, shown in accumulator], ensure_ascii=False).encode()}


def _lowest(items: Iterable[_Item]) -> list[_Item]:
    return heapq.nsmallest(_WORST, items, key=lambda item: item[:2])


def _wrong_answer(element: Any, model_name: str) -> _Item | None:
    outputs = element.get_predictions(model_name)
    if _number(outputs["exact_match"]) > 0:
        return None
    answer, text = _text(element.get_labels(model_name)), _text(outputs["text"])
    features = element.get_features()
    expression = _text(features["expression"])
    others = [] if features.get("others") is None else [_text(other) for other in np.ravel(features["others"])]
    edits, log_prob = _number(outputs["edits"]), _number(outputs["log_prob"])
    shown = {
        "expression": expression,
        "answer": answer,
        "others": others,
        "text": text,
        "edits": edits,
        "log_prob": log_prob,
    }
    return (-edits, log_prob), expression, shown


def _passage(element: Any, model_name: str) -> _Item | None:
    outputs = element.get_predictions(model_name)
    characters = int(_number(outputs["characters"]))
    if characters < _FEWEST_CHARACTERS:
        return None
    text = _text(element.get_labels(model_name))
    mean = _number(outputs["log_prob"]) / characters
    return (mean,), text, {"text": text[:_SHOWN], "characters": characters, "nats_per_character": -mean}


class _ConfusionCombiner(beam.CombineFn):
    """Counts (position, right, predicted)."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> Counter[tuple[int, str, str]]:
        return Counter()

    def add_input(
        self, accumulator: Counter[tuple[int, str, str]], element: metric_types.StandardMetricInputs
    ) -> Counter[tuple[int, str, str]]:
        model_name = self._key.model_name
        answer = _text(element.get_labels(model_name))
        text = _text(element.get_predictions(model_name)["text"])
        for position, (right, predicted) in enumerate(zip_longest(reversed(answer), reversed(text), fillvalue="")):
            accumulator[position, right, predicted] += 1
        return _bounded(accumulator)

    def merge_accumulators(
        self, accumulators: Iterable[Counter[tuple[int, str, str]]]
    ) -> Counter[tuple[int, str, str]]:
        merged: Counter[tuple[int, str, str]] = Counter()
        for accumulator in accumulators:
            merged = _bounded(merged + accumulator)
        return merged

    def extract_output(self, accumulator: Counter[tuple[int, str, str]]) -> dict[metric_types.MetricKey, bytes]:
        rows = [[*key, count] for key, count in sorted(accumulator.items())]
        return {self._key: json.dumps(rows, ensure_ascii=False).encode()}


@dataclasses.dataclass
class _Unsayable:
    """What was found: examples that have such tokens, occurrences in all, and occurrences of each token's line."""

    examples: int = 0
    occurrences: int = 0
    tokens: Counter[bytes] = dataclasses.field(default_factory=Counter)

    def add(self, other: "_Unsayable") -> "_Unsayable":
        return _Unsayable(
            self.examples + other.examples,
            self.occurrences + other.occurrences,
            _bounded(self.tokens + other.tokens),
        )


class _UnsayableCombiner(beam.CombineFn):
    """Counts the tokens that the candidate lacks."""

    def __init__(self, key: metric_types.MetricKey):
        self._key = key

    def create_accumulator(self) -> _Unsayable:
        return _Unsayable()

    def add_input(self, accumulator: _Unsayable, element: metric_types.StandardMetricInputs) -> _Unsayable:
        joined = element.get_predictions(self._key.model_name).get(UNSAYABLE)
        lines = b"" if joined is None else bytes(np.asarray(joined, object).reshape(-1)[0])
        if not lines:
            return accumulator
        tokens = lines.split(b" ")
        accumulator.examples += 1
        accumulator.occurrences += len(tokens)
        accumulator.tokens.update(tokens)
        accumulator.tokens = _bounded(accumulator.tokens)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Unsayable]) -> _Unsayable:
        return functools.reduce(_Unsayable.add, accumulators, _Unsayable())

    def extract_output(self, accumulator: _Unsayable) -> dict[metric_types.MetricKey, bytes]:
        tokens = [(read_line(line), count) for line, count in accumulator.tokens.items()]
        found = {
            "examples": accumulator.examples,
            "occurrences": accumulator.occurrences,
            "different": len(tokens),
            "tokens": sorted(tokens, key=lambda token: (-token[1], token[0]))[:_LISTED],
        }
        return {self._key: json.dumps(found, ensure_ascii=False).encode()}


def _bounded(counts: Counter[_Counted]) -> Counter[_Counted]:
    return Counter(dict(counts.most_common(_COUNTED // 2))) if len(counts) > _COUNTED else counts


def _text(value: Any) -> str:
    return bytes(np.asarray(value, object).reshape(-1)[0]).decode(errors="replace")


def _number(value: Any) -> float:
    return float(np.asarray(value).reshape(-1)[0])
