"""PredictionService: what a request asks of a model, independent of how it arrived."""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from charseq_client.messages import (
    DEFAULT_SIGNATURE,
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.server.models.examples import (
    classification_result,
    classification_signature,
    examples_tensor,
    number_of_examples,
    regression_result,
    regression_signature,
    run_signature,
)
from serving.server.models.manager import ModelManager
from serving.server.models.saved_model import Outputs, Signature
from serving.server.models.servable import Servable
from serving.server.models.tensors import Encoder, encode_as_field
from serving.server.monitoring import Metrics
from serving.server.request_log import RequestLogs

_SIGNATURE_DEF = "signature_def"
_PREDICT, _CLASSIFY, _REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


@dataclass(frozen=True)
class _Kind:
    """What can be asked about examples.

    Attributes:
      check: Refuses a signature that does not do it.
      fill: Writes outputs into the result message.
      result_field: Where that message is in an ``InferenceResult``.
      api: What metrics call it.
      log: The field of ``PredictionLog``.
    """

    check: Callable[..., None]
    fill: Callable[[Mapping[str, Any], int, Any], None]
    result_field: str
    api: str
    log: str


_KINDS = {
    _CLASSIFY: _Kind(
        classification_signature, classification_result, "classification_result", "Classify", "classify_log"
    ),
    _REGRESS: _Kind(regression_signature, regression_result, "regression_result", "Regress", "regress_log"),
}


class PredictionService:
    """Answers the calls of ``tensorflow.serving.PredictionService``. Safe from many threads at a time."""

    def __init__(
        self,
        manager: ModelManager,
        encode: Encoder = encode_as_field,
        *,
        check_method_name: bool = False,
        metrics: Metrics | None = None,
        logs: RequestLogs | None = None,
    ) -> None:
        """Sets the service up.

        Args:
          manager: Where the models are.
          encode: How an output is written.
          check_method_name: Whether signatures are refused that were not exported for the method.
          metrics: Where the time of the sessions is noted; None to note none.
          logs: Where requests and answers are logged; None to log none.
        """
        self._manager = manager
        self._encode = encode
        self._check_method_name = check_method_name
        self._metrics = metrics
        self._logs = logs or RequestLogs()

    def predict(self, request: Any, timeout_ms: int = 0) -> bytes:
        """Answers a ``PredictRequest``.

        Args:
          request: The request.
          timeout_ms: Longest time for the inference in milliseconds; 0 for no limit.

        Returns:
          The serialized ``PredictResponse``, with the version that answered.

        Raises:
          ServingError: the request cannot be answered, with TensorFlow Serving's code and message.
        """
        with self.acquire(request) as servable:
            return self.predict_on(servable, request, timeout_ms)

    def begin_predict(self, request: Any, answer: "asyncio.Future[bytes]", *, timeout_ms: int = 0) -> bool:
        """Begins to answer a ``PredictRequest``, if it can share a batch; on an event loop.

        Args:
          request: The request.
          answer: Gets the serialized ``PredictResponse``, or what :meth:`predict` would have raised.
          timeout_ms: Longest time in milliseconds; 0 for no limit.

        Returns:
          False if nothing was begun: call :meth:`predict`.

        Raises:
          ServingError: the request cannot be answered.
        """
        servable = self.acquire(request)
        begun, started = False, time.perf_counter()

        def finish(outputs: Outputs) -> None:
            servable.release()
            self._note_run(servable, "Predict", started)
            if answer.done():
                return  # cancelled: the client has gone
            try:
                response = outputs(self._encode) + _spec_field(servable.name, servable.version, signature.name)
            except Exception as error:
                answer.set_exception(error)
                return
            answer.set_result(response)
            self._log("predict_log", request, response, servable, signature.name)

        try:
            signature = self._signature(servable, request)
            begun = servable.model.begin_predict(
                signature, request.inputs, request.output_filter, finish, timeout_ms=timeout_ms
            )
        finally:
            if not begun:
                servable.release()
        return begun

    def predict_on(self, servable: Servable, request: Any, timeout_ms: int) -> bytes:
        """Answers a ``PredictRequest`` with a servable that :meth:`acquire` gave; see :meth:`predict`."""
        signature = self._signature(servable, request)
        started = time.perf_counter()
        outputs = servable.model.predict(
            signature, request.inputs, request.output_filter, timeout_ms=timeout_ms, encode=self._encode
        )
        self._note_run(servable, "Predict", started)
        response = outputs + _spec_field(servable.name, servable.version, signature.name)
        self._log("predict_log", request, response, servable, signature.name)
        return response

    def classify(self, request: Any, timeout_ms: int = 0) -> Any:
        """Answers a ``ClassificationRequest``; arguments and errors as for :meth:`predict`."""
        return self._run_on_examples(_CLASSIFY, classification_pb2.ClassificationResponse(), request, timeout_ms)

    def regress(self, request: Any, timeout_ms: int = 0) -> Any:
        """Answers a ``RegressionRequest``; arguments and errors as for :meth:`predict`."""
        return self._run_on_examples(_REGRESS, regression_pb2.RegressionResponse(), request, timeout_ms)

    def multi_inference(self, request: Any, timeout_ms: int = 0) -> Any:
        """Answers a ``MultiInferenceRequest``: several signatures of one model, each once, on the same examples.

        Arguments and errors are those of :meth:`predict`.
        """
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        with self._acquire(spec) as servable:
            tasks: list[tuple[Any, Signature]] = []
            for task in request.tasks:
                if not task.model_spec.name:
                    raise invalid_argument("Found ModelSpec with an empty model name.")
                if task.model_spec.name != spec.name:
                    message = "All ModelSpecs in a MultiInferenceRequest must access the same model name."
                    raise invalid_argument(message)
                name = task.model_spec.signature_name or DEFAULT_SIGNATURE
                if any(signature.name == name for _, signature in tasks):
                    raise invalid_argument(f"Duplicate evaluation of signature: {name}")
                tasks.append((task, self._task_signature(task, servable)))
            count, examples = number_of_examples(request.input), examples_tensor(request.input)
            if self._metrics is not None:
                self._metrics.asked(servable.name, count)
            response = inference_pb2.MultiInferenceResponse()
            for task, signature in tasks:
                outputs = run_signature(servable.model, signature, examples, timeout_ms)
                result = response.results.add()
                _fill_spec(result.model_spec, servable, signature.name)
                kind = _KINDS[task.method_name]
                kind.fill(outputs, count, getattr(result, kind.result_field))
            self._log("multi_inference_log", request, response, servable, "")
            return response

    def get_model_metadata(self, request: Any) -> Any:
        """Answers a ``GetModelMetadataRequest``: the signatures of a model.

        Raises:
          ServingError: the request cannot be answered.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise invalid_argument(f"Metadata field {field} is not supported")
        with self.acquire(request) as servable:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.model.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[_SIGNATURE_DEF].Pack(signatures)
            return response

    def acquire(self, request: Any) -> Servable:
        """Finds the model that a request's ``model_spec`` names, and registers its use.

        Returns:
          The servable, to be used in a ``with`` statement.

        Raises:
          ServingError: there is none.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        return self._acquire(request.model_spec)

    def _acquire(self, spec: Any) -> Servable:
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            return self._manager.acquire_label(spec.name, spec.version_label)
        return self._manager.acquire(spec.name, spec.version.value if choice == "version" else None)

    def _run_on_examples(self, method_name: str, response: Any, request: Any, timeout_ms: int) -> Any:
        """Fills and returns the response to a request that asks one signature about examples."""
        with self.acquire(request) as servable:
            name = request.model_spec.signature_name
            signature = _find(servable, name, "No signature was found with the name: ")
            kind = _KINDS[method_name]
            kind.check(signature, check_method_name=self._check_method_name)
            count = number_of_examples(request.input)
            started = time.perf_counter()
            outputs = run_signature(servable.model, signature, examples_tensor(request.input), timeout_ms)
            self._note_run(servable, kind.api, started)
            if self._metrics is not None:
                self._metrics.asked(servable.name, count)
            _fill_spec(response.model_spec, servable, name or DEFAULT_SIGNATURE)
            kind.fill(outputs, count, response.result)
            self._log(kind.log, request, response, servable, name or DEFAULT_SIGNATURE)
            return response

    def _signature(self, servable: Servable, request: Any) -> Signature:
        """Finds the signature of a ``PredictRequest``.

        Raises:
          ServingError: FAILED_PRECONDITION, there is none; INTERNAL, it was not exported to be served.
        """
        signature = servable.model.signature(request.model_spec.signature_name)
        method = signature.definition.method_name
        if self._check_method_name and method not in (_PREDICT, _CLASSIFY, _REGRESS):
            known = ", ".join((_PREDICT, _CLASSIFY, _REGRESS))
            message = f"Expected prediction signature method_name to be one of {{{known}}}. Was: {method}"
            raise ServingError(Code.INTERNAL, message)
        return signature

    def _log(self, kind: str, request: Any, response: Any, servable: Servable, signature: str) -> None:
        self._logs.log(kind, request, response, servable.name, servable.version, signature)

    def _note_run(self, servable: Servable, api: str, started: float) -> None:
        if self._metrics is not None:
            self._metrics.ran(servable.name, api, time.perf_counter() - started)

    def _task_signature(self, task: Any, servable: Servable) -> Any:
        """Finds the signature of one task and checks that it is of the task's kind."""
        signature = _find(servable, task.model_spec.signature_name, "Requested signature not found in model graph: ")
        kind = _KINDS.get(task.method_name)
        if kind is None:
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        kind.check(signature, check_method_name=self._check_method_name)
        return signature


def _find(servable: Servable, name: str, otherwise: str) -> Any:
    signature = servable.model.find_signature(name)
    if signature is None:
        raise invalid_argument(f"{otherwise}{name or DEFAULT_SIGNATURE}")
    return signature


@functools.lru_cache(1000)
def _spec_field(name: str, version: int, signature_name: str) -> bytes:
    """Returns the ``model_spec`` of a serialized ``PredictResponse``."""
    spec = model_pb2.ModelSpec(name=name, signature_name=signature_name, version={"value": version})
    return bytes(predict_pb2.PredictResponse(model_spec=spec).SerializeToString())


def _fill_spec(spec: Any, servable: Servable, signature_name: str) -> None:
    spec.name = servable.name
    spec.signature_name = signature_name
    spec.version.value = servable.version
