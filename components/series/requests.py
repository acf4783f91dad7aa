"""What InfraValidator asks a candidate."""

import tensorflow as tf

from components.infra_validator.requests import Inputs
from components.series.features import HISTORY


def forecast_requests(examples: list[bytes]) -> list[Inputs]:
    """Returns requests for forecasts of the examples' histories: a `RequestFn`."""
    features = [tf.train.Example.FromString(example).features.feature for example in examples]
    return [{HISTORY: tf.constant([feature[HISTORY].float_list.value])} for feature in features]
