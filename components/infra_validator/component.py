"""The InfraValidator component, without the Docker daemon or Kubeflow 1 that TFX's own needs; it gives TFX's InfraBlessing."""

import json
import logging
import os

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, BaseChannel, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import BLESSING_KEY, EXAMPLES_KEY, MODEL_KEY
from tfx.utils import path_utils

from components.executor import Artifacts, Properties
from components.files import copy_folder, write_file
from components.infra_validator.server_process import ServerError
from components.infra_validator.settings import InfraSettings
from components.infra_validator.validation import validate
from components.names import BLESSED_PROPERTY, REASON_PROPERTY
from components.settings import from_json, to_json

# Custom property of the blessing, as TFX has it: its Pusher takes the model from there.
_HAS_MODEL = "has_model"

_LOG = logging.getLogger("charseq.infra_validator")


class Executor(BaseExecutor):
    """Copies the model into the blessing, gives it warm-up requests, and tries it out in a server process."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Blesses the model, or refuses it with the reason."""
        model = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        model_path = path_utils.stamped_model_path(blessing.uri)
        copy_folder(path_utils.serving_model_path(model.uri), model_path)
        blessing.set_int_custom_property(_HAS_MODEL, 1)
        try:
            validate(
                from_json(InfraSettings, exec_properties["settings"]),
                model_path,
                exec_properties["model_name"],
                artifact_utils.get_single_uri(input_dict[EXAMPLES_KEY]),
                exec_properties["request_fn"],
                json.loads(exec_properties["server_command"]),
            )
        except ServerError as error:
            _LOG.warning("the model is refused: %s", error)
            blessing.set_string_custom_property(REASON_PROPERTY, str(error))
            _mark(blessing, False)
        else:
            _mark(blessing, True)


def _mark(blessing: Artifact, blessed: bool) -> None:
    """Writes the result as TFX's own InfraValidator does: a property, and an empty file for people to see."""
    write_file(os.path.join(blessing.uri, "INFRA_BLESSED" if blessed else "INFRA_NOT_BLESSED"), b"")
    blessing.set_int_custom_property(BLESSED_PROPERTY, int(blessed))


class InfraValidatorSpec(ComponentSpec):
    """Model and examples in, blessing out."""

    PARAMETERS = {
        "settings": ExecutionParameter(type=str),
        "model_name": ExecutionParameter(type=str),
        "server_command": ExecutionParameter(type=str),
        "request_fn": ExecutionParameter(type=str),
    }
    INPUTS = {
        MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {BLESSING_KEY: ChannelParameter(type=standard_artifacts.InfraBlessing)}


class InfraValidator(BaseComponent):
    """Tries a candidate out in the server that will serve it."""

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: BaseChannel,
        examples: BaseChannel,
        settings: InfraSettings,
        model_name: str,
        server_command: list[str],
        request_fn: str,
    ):
        super().__init__(
            InfraValidatorSpec(
                model=model,
                examples=examples,
                settings=to_json(settings),
                model_name=model_name,
                server_command=json.dumps(server_command),
                request_fn=request_fn,
                blessing=Channel(type=standard_artifacts.InfraBlessing),
            )
        )
