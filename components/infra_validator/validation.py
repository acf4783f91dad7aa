"""Does a real server give the candidate's own answers?"""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

from charseq_client.arrays import from_proto
from charseq_client.messages import PredictionServiceStub
from components.files import copy_folder, write_file
from components.infra_validator.request_statistics import describe_requests
from components.infra_validator.requests import Inputs, join_inputs, make_inputs, predict_request, write_warmup
from components.infra_validator.server_process import ServerError, describe_failure, model_server
from components.infra_validator.settings import InfraSettings
from serving.contract.layout import REQUEST_STATISTICS_PATH

# Log-probabilities through the server and in this process may differ by rounding: other thread counts add in other orders.
_TOLERANCE = 1e-3

_VERSION = "1"

# Training examples whose requests are described for later: enough for rare characters, in seconds.
_MOST_DESCRIBED = 20_000


def validate(
    settings: InfraSettings,
    model_path: str,
    model_name: str,
    examples_uri: str,
    request_fn: str,
    server_command: Sequence[str],
) -> None:
    """Checks a candidate in a server process, and adds warm-up requests and statistics of requests to it.

    Args:
      settings: How to try it out.
      model_path: Folder of the SavedModel; gets the warm-up requests and the statistics.
      model_name: Name under which it will be served.
      examples_uri: Examples artifact.
      request_fn: Dotted name of the family's `RequestFn`.
      server_command: The server's program with its first arguments.

    Raises:
      ServerError: The server does not start, does not load the model, refuses a request or gives another answer.
    """
    single = make_inputs(examples_uri, request_fn, max(settings.requests, settings.batch))
    batches = [*single[: settings.requests], join_inputs(single[: settings.batch])]
    requests = [predict_request(model_name, batch) for batch in batches]
    write_warmup(model_path, requests)
    described = describe_requests(make_inputs(examples_uri, request_fn, _MOST_DESCRIBED))
    write_file(os.path.join(model_path, REQUEST_STATISTICS_PATH), described.SerializeToString(deterministic=True))
    with tempfile.TemporaryDirectory(prefix="infra_validator_") as model_dir, ThreadPoolExecutor(1) as meanwhile:
        # A copy on this machine: the server need not know the artifact store's file system.
        copy_folder(model_path, os.path.join(model_dir, _VERSION))
        loading = meanwhile.submit(tf.saved_model.load, model_path)  # while the server starts
        with model_server(server_command, model_name, model_dir, settings.timeout) as (channel, log_path):
            stub = PredictionServiceStub(channel)
            signature = loading.result().signatures["serving_default"]
            for batch, request in zip(batches, requests, strict=True):
                try:
                    response = _predict(stub, request, settings.timeout)
                except grpc.RpcError as error:
                    what = f"the server refused {_first(batch)!r}: {error.code().name}: {error.details()}"
                    raise ServerError(describe_failure(what, log_path)) from None
                _compare(batch, response, signature(**batch))


def _predict(stub: Any, request: Any, timeout: float) -> Any:
    """Returns the answer to a request; asks once more if none came in time: this process may have been stopped."""
    try:
        return stub.Predict(request, timeout=timeout)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
    return stub.Predict(request, timeout=timeout)


def _first(batch: Inputs) -> Any:
    """Returns a request's first row."""
    return next(iter(batch.values()))[0].numpy()


def _compare(batch: Inputs, response: Any, own: dict[str, tf.Tensor]) -> None:
    served = {name: from_proto(tensor) for name, tensor in response.outputs.items()}
    if served.keys() != own.keys():
        raise ServerError(f"the server answers with {sorted(served)}, the model with {sorted(own)}")
    for row, text in enumerate(next(iter(batch.values())).numpy()):
        for name, expected in own.items():
            want, got = expected.numpy()[row], served[name][row]
            same = want == got if isinstance(want, bytes) else np.allclose(got, want, atol=_TOLERANCE)
            if not same:
                raise ServerError(f"for {text!r} the server gives {name} {got!r}, the model itself {want!r}")
