"""Requests made from training examples, and the warm-up file made from requests."""

import importlib
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from charseq_client.arrays import to_proto
from charseq_client.messages import DEFAULT_SIGNATURE, predict_pb2, prediction_log_pb2
from components.example_gen.settings import REPLACEMENT
from components.example_gen.shards import read_examples
from components.example_gen.splits import TRAIN_SPLIT
from components.transform.preprocessing import EXPRESSION
from components.transform.text import TEXT
from serving.contract.layout import WARMUP_PATH

# What a language model is asked for: characters of the prompt, and characters to write.
_PROMPT_LENGTH = 40
_TEXT_LENGTH = 32

# A request: values of the inputs, by name.
Inputs = dict[str, tf.Tensor]


# From serialized examples to the inputs of a request for each.
RequestFn = Callable[[list[bytes]], list[Inputs]]


def make_inputs(examples_uri: str, request_fn: str, count: int) -> list[Inputs]:
    """Returns what a client could send, one request for each of the first training examples, at most `count`.

    They are training examples because every model answers those. A test example may have a character or a length that training
    did not have, and a model that refuses it is as it should be.

    Args:
      examples_uri: Folder of the examples.
      request_fn: Dotted name of a family's `RequestFn`.
      count: How many.
    """
    module, _, name = request_fn.rpartition(".")
    make: RequestFn = getattr(importlib.import_module(module), name)
    return make(list(itertools.islice(read_examples(examples_uri, TRAIN_SPLIT), count)))


def answer_requests(examples: list[bytes]) -> list[Inputs]:
    """Returns requests for answers: a `RequestFn`."""
    return [{"text": tf.constant(feature[EXPRESSION].bytes_list.value)} for feature in _features(examples)]


def prompt_requests(examples: list[bytes]) -> list[Inputs]:
    """Returns requests for continuations of the examples' texts, sampled in several ways: a `RequestFn`."""
    texts = [feature[TEXT].bytes_list.value[0].decode() for feature in _features(examples)]
    # What stands for rare characters is refused, as it should be.
    prompts = [text[:_PROMPT_LENGTH].partition(REPLACEMENT)[0] for text in texts]
    return [
        {
            "prompt": tf.constant([prompt]),
            "length": tf.constant([_TEXT_LENGTH]),
            "temperature": tf.constant([0.5 * (seed % 3)]),
            "top_k": tf.constant([5 * (seed % 2)]),
            "top_p": tf.constant([1.0 if seed % 4 else 0.9]),
            "seed": tf.constant([seed], tf.int64),
        }
        for seed, prompt in enumerate(prompts)
    ]


def _features(examples: list[bytes]) -> list[Any]:
    return [tf.train.Example.FromString(example).features.feature for example in examples]


def join_inputs(requests: list[Inputs]) -> Inputs:
    """Returns several requests as one."""
    return {name: tf.concat([request[name] for request in requests], axis=0) for name in requests[0]}


def predict_request(model_name: str, inputs: Mapping[str, Any]) -> Any:
    """Returns the ``PredictRequest`` that a client sends for these inputs."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = DEFAULT_SIGNATURE
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(to_proto(name, np.asarray(values)))
    return request


def write_warmup(model_path: str, requests: Iterable[Any]) -> None:
    """Adds requests to a SavedModel: a TFRecord file of ``PredictionLog`` (TensorFlow Serving reads 1,000 at most)."""
    path = os.path.join(model_path, WARMUP_PATH)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
