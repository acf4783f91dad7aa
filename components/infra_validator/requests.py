"""Requests made from evaluation examples, and the warm-up file made from requests."""

import itertools
import os
from collections.abc import Iterable

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components.example_gen.shards import read_examples
from components.transform.preprocessing import EXPRESSION

# Where TensorFlow Serving looks for requests to replay before a version is available.
WARMUP_PATH = os.path.join("assets.extra", "tf_serving_warmup_requests")

_SIGNATURE = "serving_default"


def predict_request(model_name: str, texts: list[bytes]) -> predict_pb2.PredictRequest:
    """Returns the request that a client sends for these expressions."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = _SIGNATURE
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(texts, tf.string))
    return request


def read_expressions(examples_uri: str, count: int) -> list[bytes]:
    """Returns the expressions of the first evaluation examples, at most `count`."""
    records = itertools.islice(read_examples(examples_uri, "eval"), count)
    features = (tf.train.Example.FromString(record).features.feature for record in records)
    return [feature[EXPRESSION].bytes_list.value[0] for feature in features]


def write_warmup(model_path: str, requests: Iterable[predict_pb2.PredictRequest]) -> None:
    """Adds warm-up requests to a SavedModel: a TFRecord file of PredictionLogs (TensorFlow Serving reads 1,000 at most)."""
    path = os.path.join(model_path, WARMUP_PATH)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
