"""ModelService: what is loaded, and why something is not."""

from typing import Any

from charseq_client.messages import get_model_status_pb2, model_management_pb2
from serving.contract.errors import invalid_argument
from serving.server.models.manager import ModelManager
from serving.server.models.sources import ModelSources
from serving.server.models.version_states import VersionStatus


class ModelService:
    """Answers the calls of ``tensorflow.serving.ModelService``. Safe from many threads at a time."""

    def __init__(self, manager: ModelManager, sources: ModelSources) -> None:
        """Sets the service up.

        Args:
          manager: Knows what is loaded.
          sources: Knows what is to be loaded.
        """
        self._manager = manager
        self._sources = sources

    def get_model_status(self, request: Any) -> Any:
        """Answers a ``GetModelStatusRequest``. A label in it is ignored, as in TensorFlow Serving.

        Raises:
          ServingError: there is no such model or version.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.WhichOneof("version_choice") == "version" else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in self._manager.status(spec.name, version):
            _write(status, response.model_version_status.add())
        return response

    def handle_reload_config(self, request: Any) -> Any:
        """Answers a ``ReloadConfigRequest``: replaces the list of models, returns when the new ones answer.

        Raises:
          ServingError: the configuration is refused.
        """
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        self._sources.reload(request.config)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:
            response.metric.add(name=name)
        return response


def _write(status: VersionStatus, message: Any) -> None:
    message.version = status.version
    message.state = status.state
    message.status.SetInParent()
    if status.error is not None:
        message.status.error_code = status.error.code
        # A protobuf string is UTF-8 whatever a model's message holds.
        message.status.error_message = status.error.message.encode("utf-8", "surrogateescape").decode(
            "utf-8", "replace"
        )
