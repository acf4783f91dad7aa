"""The REST API of TensorFlow Serving: what each path and method means, independent of the HTTP server in front."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format

from charseq_client.messages import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.server.model_service import ModelService
from serving.server.monitoring import Metrics
from serving.server.prediction_service import PredictionService
from serving.server.rest.examples import fill_examples, format_classifications, format_regressions
from serving.server.rest.json_format import parse_object
from serving.server.rest.predict import fill_predict_request, format_predict_response, signature_name

_VERSION_CHOICE = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
# In any case but the method, as in TensorFlow Serving.
_POST = re.compile(
    rf"(?i:/v1/models/(?P<model>[^/:]+){_VERSION_CHOICE}):(?P<method>classify|regress|predict)", re.ASCII
)
_GET = re.compile(
    rf"(?i:/v1/models(?:/(?P<model>[^/:]+))?{_VERSION_CHOICE})(?:/(?P<method>metadata|(?i:metadata)))?", re.ASCII
)
_INT64_MAX = 2**63 - 1

_HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}


@dataclass(frozen=True)
class Call:
    """What a path asks for.

    Attributes:
      method: ``predict``, ``classify``, ``regress``, ``metadata`` or ``status``.
      model: Name of the model; empty if the path has none.
      version: The version asked for.
      label: The label asked for.
    """

    method: str
    model: str
    version: int | None = None
    label: str | None = None

    def fill(self, spec: Any) -> None:
        """Writes the ``ModelSpec``."""
        spec.name = self.model
        if self.version is not None:
            spec.version.value = self.version
        if self.label is not None:
            spec.version_label = self.label


def parse_path(http_method: str, path: str) -> Call:
    """Reads a path of the API.

    Args:
      http_method: ``GET`` or ``POST``.
      path: The path as it was sent, percent-encoded. A query is part of it, and so of a name at its end.

    Raises:
      ServingError: INVALID_ARGUMENT, there is no such path.
    """
    pattern = {"GET": _GET, "POST": _POST}.get(http_method)
    found = pattern.fullmatch(path) if pattern else None
    if found is None:
        raise invalid_argument(f"Malformed request: {http_method} {path}")
    version = found["version"]
    if version is not None and int(version[:20]) > _INT64_MAX:
        raise invalid_argument(f"Failed to convert version: {version} to numeric.")
    method = found["method"] or "status"
    return Call(
        # Also TensorFlow Serving answers /METADATA with the status.
        "status" if http_method == "GET" and method != "metadata" else method,
        unquote(found["model"] or ""),
        int(version) if version is not None else None,
        unquote(found["label"]) if found["label"] is not None else None,
    )


class RestApi:
    """Answers REST requests. Safe from many threads at a time."""

    def __init__(
        self,
        prediction_service: PredictionService,
        model_service: ModelService,
        timeout_ms: int,
        metrics: Metrics | None = None,
    ) -> None:
        """Sets the API up.

        Args:
          prediction_service: Answers what is asked of models; it must write outputs as fields.
          model_service: Answers what is asked about models.
          timeout_ms: Longest time for an inference in milliseconds; 0 for no limit.
          metrics: Where the requests are counted; None to count none.
        """
        self._metrics = metrics
        self._predictions = prediction_service
        self._models = model_service
        self._timeout_ms = timeout_ms

    def answer(self, http_method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Answers a request.

        Args:
          http_method: For example ``GET``.
          path: The path as it was sent, with its query.
          body: The whole body.

        Returns:
          HTTP status and JSON body.
        """
        try:
            call = self._parse_path(http_method, path)
            method = {
                "predict": self._predict,
                "classify": self._classify,
                "regress": self._regress,
                "metadata": self._metadata,
                "status": self._status,
            }[call.method]
            if self._metrics is None:
                answered = method(call, body)
            else:
                with self._metrics.measure(call.model, call.method if http_method == "POST" else "", "REST"):
                    answered = method(call, body)
        except ServingError as error:
            return error_response(error)
        return 200, _encode(answered)

    def _parse_path(self, http_method: str, path: str) -> Call:
        try:
            return parse_path(http_method, path)
        except ServingError as error:
            if self._metrics is not None:
                self._metrics.count("", error.code)
            raise

    def _predict(self, call: Call, body: bytes) -> str:
        document = parse_object(body)
        request = predict_pb2.PredictRequest()
        call.fill(request.model_spec)
        request.model_spec.signature_name = signature_name(document)
        # One version for both steps: reading the body takes the signature of the version that answers.
        with self._predictions.acquire(request) as servable:
            infos = servable.model.input_infos(request.model_spec.signature_name)
            rows = document.get("instances")
            if isinstance(rows, list):
                servable.model.check_rows(len(rows))  # before they are turned into tensors, which takes long
            form = fill_predict_request(document, infos, request)
            del document  # its values are in the request now
            answered = self._predictions.predict_on(servable, request, self._timeout_ms)
        return format_predict_response(predict_pb2.PredictResponse.FromString(answered).outputs, form)

    def _classify(self, call: Call, body: bytes) -> str:
        request = classification_pb2.ClassificationRequest()
        self._fill_examples(call, body, request)
        return format_classifications(self._predictions.classify(request, self._timeout_ms).result)

    def _regress(self, call: Call, body: bytes) -> str:
        request = regression_pb2.RegressionRequest()
        self._fill_examples(call, body, request)
        return format_regressions(self._predictions.regress(request, self._timeout_ms).result)

    def _fill_examples(self, call: Call, body: bytes, request: Any) -> None:
        call.fill(request.model_spec)
        document = parse_object(body)
        request.model_spec.signature_name = signature_name(document)
        fill_examples(document, request.input)

    def _metadata(self, call: Call, body: bytes) -> str:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        call.fill(request.model_spec)
        self._require_model(call)
        response = self._predictions.get_model_metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return (
            f'{{\n"model_spec":{_message(response.model_spec)},\n'
            f'"metadata": {{"signature_def": {_message(signatures)}}}\n}}\n'
        )

    def _status(self, call: Call, body: bytes) -> str:
        request = get_model_status_pb2.GetModelStatusRequest()
        call.fill(request.model_spec)
        self._require_model(call)
        return _message(self._models.get_model_status(request))

    def _require_model(self, call: Call) -> None:
        if not call.model:
            raise invalid_argument("Missing model name in request.")


def error_response(error: ServingError) -> tuple[int, bytes]:
    """Returns the HTTP status and body of an error."""
    body = json.dumps({"error": error.message}, ensure_ascii=False, indent=4)
    return _HTTP_STATUS.get(error.code, 500), _encode(body)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, quoted from a request in an error
        return text.encode("utf-8", "replace")


def _message(message: Any) -> str:
    return json_format.MessageToJson(
        message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True, ensure_ascii=False
    )
