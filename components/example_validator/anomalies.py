"""Anomalies of a data set."""

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.tfx_libraries import tfdv


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
    """Returns where statistics break a schema; with those of the previous data, also where its drift bounds are passed."""
    without_free_text = schema_pb2.Schema()
    without_free_text.CopyFrom(schema)
    for feature in without_free_text.feature:
        # Says to StatisticsGen that its values are not to be counted; TFDV would take it for a domain without any value.
        if feature.string_domain.is_categorical == schema_pb2.StringDomain.Categorical.CATEGORICAL_NO:
            feature.ClearField("domain_info")
    return tfdv.validate_statistics(statistics, without_free_text, previous_statistics=previous)
