"""How a feature differs between two sets of statistics, in words."""

import unicodedata
from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import statistics_pb2

# Values that are named, those whose shares differ most.
_NAMED = 3

# Characters of a value that are shown.
_SHOWN = 40


def features_of(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
) -> dict[str, statistics_pb2.FeatureNameStatistics]:
    """Returns the features of statistics by name."""
    return {
        feature.name or feature.path.step[0]: feature for dataset in statistics.datasets for feature in dataset.features
    }


def describe_change(
    before: statistics_pb2.FeatureNameStatistics,
    now: statistics_pb2.FeatureNameStatistics,
    before_name: str,
    now_name: str,
) -> str:
    """Says how a feature differs: numbers by their range, values by the shares that differ most.

    Args:
      before: The feature in the earlier statistics.
      now: The feature in the later ones.
      before_name: How a message names the earlier data, such as `in training`.
      now_name: How it names the later.
    """
    if now.HasField("num_stats"):
        return f"{_range(before)} {before_name}, {_range(now)} {now_name}"
    return ", ".join(
        f"{_describe_value(value)} {was:.1%} {before_name}, {share:.1%} {now_name}"
        for value, was, share in _share_changes(before, now)
    )


def describe_character(character: str) -> str:
    """Returns a character with its code point and name; one that cannot be seen is not shown itself."""
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "")
    visible = character.isprintable() and not character.isspace() and not unicodedata.combining(character)
    return " ".join(filter(None, (f"{character!r}" if visible else "", code, name)))


def _describe_value(value: str) -> str:
    if len(value) == 1:
        return describe_character(value)
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")


def _range(feature: statistics_pb2.FeatureNameStatistics) -> str:
    numbers = feature.num_stats
    return f"{numbers.min:g} to {numbers.max:g}, mean {numbers.mean:.4g}"


def _share_changes(
    before: statistics_pb2.FeatureNameStatistics, now: statistics_pb2.FeatureNameStatistics
) -> list[tuple[str, float, float]]:
    """Returns the values whose shares differ most: value, share before, share now."""
    shares: list[Mapping[str, float]] = []
    for feature in (before, now):
        buckets = feature.string_stats.rank_histogram.buckets
        total = sum(bucket.sample_count for bucket in buckets) or 1.0
        shares.append({bucket.label: bucket.sample_count / total for bucket in buckets})
    was, share = shares
    values = sorted({*was, *share}, key=lambda value: (-abs(was.get(value, 0) - share.get(value, 0)), value))
    return [(value, was.get(value, 0.0), share.get(value, 0.0)) for value in values[:_NAMED]]
