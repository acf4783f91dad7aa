"""Warm-up: requests that a model brings along and answers before its first user does."""

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.errors import Code, ServingError, invalid_argument
from serving.saved_model import SavedModel
from serving.stubs import predict_pb2, prediction_log_pb2
from serving.tfrecord import read_records, write_records

logger = logging.getLogger(__name__)

MAX_RECORDS = 1000
_FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warmup_requests(export_dir: str | Path, requests: Iterable[Any]) -> Path:
    """Gives a SavedModel its warm-up requests, in the file that TensorFlow Serving reads as well.

    Args:
      export_dir: The SavedModel's folder.
      requests: ``PredictRequest`` messages, at most :data:`MAX_RECORDS`.

    Returns:
      The file written.

    Raises:
      ValueError: there are more requests than a server replays.
    """
    logs = []
    for request in requests:
        log = prediction_log_pb2.PredictionLog()
        log.predict_log.request.CopyFrom(request)
        logs.append(log.SerializeToString())
    if len(logs) > MAX_RECORDS:
        raise ValueError(f"{len(logs)} warm-up requests are more than the {MAX_RECORDS} a server replays; write fewer.")
    path = Path(export_dir) / _FILE
    path.parent.mkdir(exist_ok=True)
    write_records(path, logs)
    return path


def run_warmup(model: SavedModel, iterations: int = 1) -> int:
    """Replays the warm-up requests of a loaded model, if it has any.

    Args:
      model: The model.
      iterations: How often each request is replayed.

    Returns:
      The number of requests in the file.

    Raises:
      ServingError: the file is damaged, too long, or the model refuses a request: such a model is not to be served.
    """
    path = Path(model.export_dir) / _FILE
    if not path.exists():
        return 0
    started, count = time.monotonic(), 0
    try:
        for record in read_records(path):
            count += 1
            if count > MAX_RECORDS:
                raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
            _replay(model, record, path, iterations)
    except OSError as error:
        raise ServingError(Code.INTERNAL, f"Warm-up requests at {path} cannot be read: {error}") from error
    except ServingError as error:
        if error.code != Code.DATA_LOSS:
            raise
        message = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise ServingError(Code.DATA_LOSS, message) from error
    logger.info("Warmed up %s with %d requests in %.2f s", model.export_dir, count, time.monotonic() - started)
    return count


def _replay(model: SavedModel, record: bytes, path: Path, iterations: int) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record: {record[:80]!r} from {path}") from error
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        for _ in range(iterations):
            outputs = predict_pb2.PredictResponse().outputs
            model.predict(
                model.signature(request.model_spec.signature_name), request.inputs, request.output_filter, outputs
            )
    elif kind is not None:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
