"""Anomalies of a data set, in words."""

from tensorflow_metadata.proto.v0 import anomalies_pb2

# Characters of a description: a text's values are pages.
_LONGEST = 400


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
