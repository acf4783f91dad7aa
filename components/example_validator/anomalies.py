"""Anomalies of a data set, in words."""

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.tfx_libraries import tfdv

# Characters of a description: a text's values are pages.
_LONGEST = 400


class DataAnomalyError(ValueError):
    """The data set breaks its schema or has drifted; the message says where and how, and the remedy."""


def find_anomalies(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    previous: statistics_pb2.DatasetFeatureStatisticsList | None,
) -> anomalies_pb2.Anomalies:
    """Returns where statistics break a schema; with those of the previous data, also where its drift bounds are passed."""
    without_free_text = schema_pb2.Schema()
    without_free_text.CopyFrom(schema)
    for feature in without_free_text.feature:
        # Says to StatisticsGen that its values are not to be counted; TFDV would take it for a domain without any value.
        if feature.string_domain.is_categorical == schema_pb2.StringDomain.Categorical.CATEGORICAL_NO:
            feature.ClearField("domain_info")
    return tfdv.validate_statistics(statistics, without_free_text, previous_statistics=previous)


def describe(anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """Returns one line for each reason of each anomaly: feature, what is wrong, and how far."""
    lines = [
        f"{path or 'data set'}: {reason.short_description}: {_shorten(reason.description)}"
        for path, anomaly in sorted(anomalies.anomaly_info.items())
        for reason in anomaly.reason
    ]
    lines += [
        f"data set: {reason.short_description}: {_shorten(reason.description)}"
        for reason in anomalies.dataset_anomaly_info.reason
    ]
    return lines


def _shorten(description: str) -> str:
    """Returns a description that may quote the data, without most of it."""
    return description if len(description) <= _LONGEST else f"{description[:_LONGEST]}…"
