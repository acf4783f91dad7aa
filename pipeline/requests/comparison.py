"""Logged requests beside the training data: what has changed, by TFDV's comparators, and which characters are new."""

import dataclasses
import os
import random
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from charseq_client.arrays import Array, from_proto
from components.example_validator.changes import describe_change, describe_character, features_of
from components.infra_validator.request_statistics import CHARACTERS, LENGTH, LENGTH_VALUE, describe_requests
from components.tfx_libraries import tfdv
from pipeline.requests.reading import RequestLogError
from serving.contract.layout import REQUEST_STATISTICS_PATH

# Requests whose distribution is computed: of more, a sample. New characters are looked for in all.
_MOST_REQUESTS = 20_000

_CHARACTERS_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far one feature of the requests is from that of the training data.

    Attributes:
      feature: The feature: `text_length`, `text_characters`, or an input of numbers.
      divergence: The Jensen-Shannon divergence of the two distributions, in bits, 0 to 1.
      words: What is different, in a sentence.
      exceeded: Whether it is above the bound.
    """

    feature: str
    divergence: float
    words: str
    exceeded: bool


@dataclasses.dataclass(frozen=True)
class NewCharacters:
    """Characters of an input that the training data did not have.

    Attributes:
      input: The input.
      characters: Each with the number of rows that have it, the most frequent first.
      rows: Rows with at least one.
      share: Their share of all rows.
      exceeded: Whether the share is above the bound.
    """

    input: str
    characters: dict[str, int]
    rows: int
    share: float
    exceeded: bool

    @property
    def words(self) -> str:
        """Says which they are, with code points and names."""
        shown = list(self.characters.items())[:_CHARACTERS_SHOWN]
        listed = ", ".join(f"{describe_character(character)} in {count:,}" for character, count in shown)
        more = f", and {len(self.characters) - len(shown):,} more" if len(self.characters) > len(shown) else ""
        return f"{self.rows:,} rows ({self.share:.2%}) have characters that training did not have: {listed}{more}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is different.

    Attributes:
      requests: Requests that were read.
      rows: Rows in them.
      differences: For each feature how far it has moved.
      new_characters: For each text input that has some.
    """

    requests: int
    rows: int
    differences: tuple[Difference, ...]
    new_characters: tuple[NewCharacters, ...]

    @property
    def exceeded(self) -> bool:
        """Whether anything is above its bound."""
        return any(part.exceeded for part in self.differences) or any(part.exceeded for part in self.new_characters)


def read_training_statistics(version: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Reads the statistics of requests that a pushed version brings along.

    Raises:
      RequestLogError: It has none.
    """
    path = os.path.join(version, REQUEST_STATISTICS_PATH)
    try:
        with open(path, "rb") as file:
            return statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read())
    except FileNotFoundError:
        raise RequestLogError(
            f"{version} has no {REQUEST_STATISTICS_PATH}: an earlier release pushed it. Run the task again, or name a "
            "newer version"
        ) from None


def compare(
    logs: Iterable[Any],
    training: statistics_pb2.DatasetFeatureStatisticsList,
    *,
    most_divergence: float,
    most_new: float,
    least_rows: int,
) -> Comparison:
    """Compares logged requests with the training data.

    Args:
      logs: Each a ``PredictionLog`` of Predict.
      training: Statistics of the requests that the training data would make.
      most_divergence: Bound of the Jensen-Shannon divergence of every feature.
      most_new: Bound of the share of rows with a character that training did not have.
      least_rows: The fewest rows that say anything.

    Raises:
      RequestLogError: There are fewer rows.
    """
    known = _known_characters(training)
    chance = random.Random(0)  # noqa: S311 - no secret
    sample: list[dict[str, Array]] = []
    new: dict[str, Counter[str]] = {name: Counter() for name in known}
    rows_with: Counter[str] = Counter()
    rows, requests = 0, 0
    for requests, log in enumerate(logs, 1):
        inputs = {name: from_proto(tensor) for name, tensor in log.predict_log.request.inputs.items()}
        rows += max((len(array) for array in inputs.values() if array.ndim), default=0)
        for name, characters in known.items():
            if name not in inputs:
                continue
            inputs[name] = _as_trained(inputs[name], characters)
            for text in inputs[name].ravel().tolist():
                if unknown := set(text.decode("utf-8", "replace")) - characters:
                    new[name].update(unknown)
                    rows_with[name] += 1
        _draw(sample, inputs, requests, chance)
    if rows < least_rows:
        raise RequestLogError(f"the log has {rows:,} rows, and fewer than {least_rows:,} say little (--min-rows)")
    differences = _differences(training, describe_requests(sample), most_divergence)
    found = tuple(
        NewCharacters(
            name, dict(counts.most_common()), rows_with[name], rows_with[name] / rows, rows_with[name] / rows > most_new
        )
        for name, counts in new.items()
        if counts
    )
    return Comparison(requests, rows, differences, found)


def _draw(sample: list[dict[str, Array]], inputs: dict[str, Array], seen: int, chance: random.Random) -> None:
    """Keeps a sample in which every request is with the same probability (Vitter's algorithm R)."""
    if len(sample) < _MOST_REQUESTS:
        sample.append(inputs)
    elif (place := chance.randrange(seen)) < _MOST_REQUESTS:
        sample[place] = inputs


def _known_characters(training: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, frozenset[str]]:
    """Returns for each text input the characters that the training data had."""
    return {
        name.removesuffix(CHARACTERS): frozenset(bucket.label for bucket in feature.string_stats.rank_histogram.buckets)
        for name, feature in features_of(training).items()
        if name.endswith(CHARACTERS)
    }


def _as_trained(texts: Array, known: frozenset[str]) -> Array:
    """Returns texts as a model that cleans its input sees them: in lower case, where training had no upper case."""
    if texts.dtype.kind != "O":
        return texts
    composed = all(unicodedata.is_normalized("NFC", character) for character in known)
    lower = not any(character.isupper() for character in known)
    cleaned = texts.copy()
    for place, raw in enumerate(texts.ravel().tolist()):
        text = raw.decode("utf-8", "replace")
        text = unicodedata.normalize("NFC", text) if composed else text
        cleaned.ravel()[place] = (text.lower() if lower else text).encode()
    return cleaned


def _differences(
    training: statistics_pb2.DatasetFeatureStatisticsList,
    serving: statistics_pb2.DatasetFeatureStatisticsList,
    bound: float,
) -> tuple[Difference, ...]:
    """Has TFDV hold every feature of the training data against that of the requests."""
    before, now = features_of(training), features_of(serving)
    schema = schema_pb2.Schema()
    for name, feature in before.items():
        if name not in now or name.endswith(LENGTH_VALUE):
            continue
        kind = schema_pb2.BYTES if feature.HasField("string_stats") else schema_pb2.FLOAT
        schema.feature.add(name=name, type=kind).skew_comparator.jensen_shannon_divergence.threshold = bound
    anomalies = tfdv.validate_statistics(training, schema, serving_statistics=serving)
    found = []
    for info in anomalies.drift_skew_info:
        name = info.path.step[0]
        (measured,) = info.skew_measurements
        words = _describe(name, before, now)
        found.append(Difference(name, measured.value, words, measured.value > bound))
    return tuple(sorted(found, key=lambda difference: -difference.divergence))


def _describe(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Says how a feature of the requests differs from that of the training data."""
    if name.endswith(CHARACTERS):
        values, what = name, f"shares of characters of {name.removesuffix(CHARACTERS)}"
    elif name.endswith(LENGTH):
        values, what = name.removesuffix(LENGTH) + LENGTH_VALUE, f"lengths of {name.removesuffix(LENGTH)}"
    else:
        values, what = name, f"values of {name}"
    return f"{what}: {describe_change(before[values], now[values], 'in training', 'in requests')}"
