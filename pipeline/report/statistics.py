"""StatisticsGen's statistics and ExampleValidator's anomalies, read without TensorFlow Data Validation."""

import dataclasses
from pathlib import Path

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.example_validator.words import describe

# Values of a feature that are named, the most frequent ones.
_TOP_VALUES = 5

# Characters of a value that are shown.
_SHOWN = 40


@dataclasses.dataclass(frozen=True)
class FeatureStatistics:
    """A feature over a split.

    Attributes:
      name: Its name.
      kind: `string`, `int` or `float`.
      missing: Examples without it.
      unique: Different values, about; None if they were not counted.
      values: For a number its least, mean and greatest value; for a string its mean length.
      top: The most frequent values with how often each comes.
    """

    name: str
    kind: str
    missing: int
    unique: int | None
    values: str
    top: list[tuple[str, int]]


@dataclasses.dataclass(frozen=True)
class SplitStatistics:
    """A split.

    Attributes:
      split: Its name.
      examples: How many it has.
      features: Its features.
    """

    split: str
    examples: int
    features: list[FeatureStatistics]


def read_statistics(folder: str) -> list[SplitStatistics]:
    """Reads the folder of a statistics artifact, training first; empty if there is none."""
    splits = []
    for path in _files(folder, "FeatureStats.pb"):
        (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets
        split = path.parent.name.removeprefix("Split-")
        splits.append(SplitStatistics(split, dataset.num_examples, [_summarize(f) for f in dataset.features]))
    return splits


def read_anomalies(folder: str) -> list[str]:
    """Reads the folder of an anomalies artifact: what is wrong with the data, one a line."""
    lines = []
    for path in _files(folder, "SchemaDiff.pb"):
        split = path.parent.name.removeprefix("Split-")
        lines += [f"{split}: {line}" for line in describe(anomalies_pb2.Anomalies.FromString(path.read_bytes()))]
    return lines


def _files(folder: str, name: str) -> list[Path]:
    """Returns the files of that name in the folders of splits, training first."""
    return sorted(Path(folder).glob(f"Split-*/{name}"), reverse=True) if folder else []


def _summarize(feature: statistics_pb2.FeatureNameStatistics) -> FeatureStatistics:
    name = feature.name or ".".join(feature.path.step)
    if feature.HasField("num_stats"):
        numbers = feature.num_stats
        kind = "int" if feature.type == statistics_pb2.FeatureNameStatistics.INT else "float"
        values = f"{numbers.min:,g} to {numbers.max:,g}, mean {numbers.mean:,.4g}"
        return FeatureStatistics(name, kind, numbers.common_stats.num_missing, None, values, [])
    strings = feature.string_stats
    top = [(_shorten(value.value), int(value.frequency)) for value in strings.top_values[:_TOP_VALUES]]
    length = f"mean length {strings.avg_length:.4g} bytes"
    return FeatureStatistics(name, "string", strings.common_stats.num_missing, strings.unique or None, length, top)


def _shorten(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
