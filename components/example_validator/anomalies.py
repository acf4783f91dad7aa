"""Anomalies of a data set."""

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.example_validator.changes import describe_change, features_of
from components.tfx_libraries import tfdv

_DRIFT = (
    anomalies_pb2.AnomalyInfo.COMPARATOR_L_INFTY_HIGH,
    anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
)


class DataAnomalyError(ValueError):
    """The data set breaks its schema or has drifted; the message says where and how, and the remedy."""

    kind = "anomaly"
    meaning = "The data breaks its schema, or has drifted from the data of the served version."
    remedy = "Look at the data. If the change is meant, set `validate.check_drift=false` for one run."


def find_anomalies(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    previous: statistics_pb2.DatasetFeatureStatisticsList | None,
) -> anomalies_pb2.Anomalies:
    """Returns where statistics break a schema; with those of the previous data, also where its drift bounds are passed.

    What is said of a drift ends with how the feature has changed. Statistics of an earlier release may lack a feature: then
    there is nothing to compare it with.
    """
    comparable = schema_pb2.Schema()
    comparable.CopyFrom(schema)
    before = features_of(previous) if previous is not None else {}
    for feature in comparable.feature:
        if feature.name not in before:
            feature.ClearField("drift_comparator")
        # Says to StatisticsGen that its values are not to be counted; TFDV would take it for a domain without any value.
        if feature.string_domain.is_categorical == schema_pb2.StringDomain.Categorical.CATEGORICAL_NO:
            feature.ClearField("domain_info")
    anomalies = tfdv.validate_statistics(statistics, comparable, previous_statistics=previous)
    now = features_of(statistics)
    for name, anomaly in anomalies.anomaly_info.items():
        for reason in anomaly.reason:
            if reason.type in _DRIFT and name in now:
                change = describe_change(before[name], now[name], "before", "now")
                reason.description = f"{reason.description.rstrip(' .')}: {change}"
    return anomalies
