"""PredictionService: what a request asks of a model, independent of how it arrived."""

from typing import Any

from serving.errors import Code, ServingError, invalid_argument
from serving.model_manager import ModelManager
from serving.servable import Servable
from serving.stubs import get_model_metadata_pb2, predict_pb2
from serving.tensors import Encoder, encode_as_field

_SIGNATURE_DEF = "signature_def"


class PredictionService:
    """Answers the calls of ``tensorflow.serving.PredictionService``. Safe from many threads at a time."""

    def __init__(self, manager: ModelManager, encode: Encoder = encode_as_field) -> None:
        """Sets the service up.

        Args:
          manager: Where the models are.
          encode: How an output is written into its ``TensorProto``.
        """
        self._manager = manager
        self._encode = encode

    def predict(self, request: Any, timeout_ms: int = 0) -> Any:
        """Answers a ``PredictRequest``.

        Args:
          request: The request.
          timeout_ms: Longest time for the inference in milliseconds; 0 for no limit.

        Returns:
          The ``PredictResponse``, with the version that answered.

        Raises:
          ServingError: the request cannot be answered, with TensorFlow Serving's code and message.
        """
        with self._acquire(request) as servable:
            model = servable.model
            signature = model.signature(request.model_spec.signature_name)
            response = predict_pb2.PredictResponse()
            spec = response.model_spec
            spec.name = servable.name
            spec.signature_name = signature.name
            spec.version.value = servable.version
            model.predict(
                signature,
                request.inputs,
                request.output_filter,
                response.outputs,
                timeout_ms=timeout_ms,
                encode=self._encode,
            )
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
        with self._acquire(request) as servable:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.model.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[_SIGNATURE_DEF].Pack(signatures)
            return response

    def _acquire(self, request: Any) -> Servable:
        """Finds the model that a request's ``model_spec`` names."""
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise ServingError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {spec.version_label}")
        return self._manager.acquire(spec.name, spec.version.value if choice == "version" else None)
