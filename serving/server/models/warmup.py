"""Warm-up: requests that a model brings along and answers before its first user does."""

import logging
import time
from pathlib import Path

from google.protobuf.message import DecodeError

from charseq_client.messages import prediction_log_pb2
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.contract.layout import WARMUP_PATH
from serving.contract.tfrecord import read_records
from serving.server.models.examples import examples_tensor, run_signature
from serving.server.models.saved_model import SavedModel

logger = logging.getLogger(__name__)

MAX_RECORDS = 1000


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
    path = Path(model.export_dir) / WARMUP_PATH
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
    if kind is None:
        return
    if kind not in ("predict_log", "classify_log", "regress_log", "multi_inference_log"):
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    request = getattr(log, kind).request
    for _ in range(iterations):
        if kind == "predict_log":
            signature = model.signature(request.model_spec.signature_name)
            model.predict(signature, request.inputs, request.output_filter)
            continue
        specs = [task.model_spec for task in request.tasks] if kind == "multi_inference_log" else [request.model_spec]
        for spec in specs:
            run_signature(model, model.signature(spec.signature_name), examples_tensor(request.input), timeout_ms=0)
