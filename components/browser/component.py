"""The BrowserModel component."""

import logging

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import PUSHED_MODEL_KEY

from components.browser.export import export, find_tools
from components.browser.settings import BrowserSettings
from components.executor import Artifacts, Properties
from components.names import BROWSER_MODEL_KEY, PUSHED_VERSION_PROPERTY
from components.settings import from_json, to_json

_LOG = logging.getLogger("charseq.browser")


class Executor(BaseExecutor):
    """Makes the files of the model that was pushed."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes the files into the artifact `browser_model`; none if nothing was pushed.

        Raises:
          SettingsError: The converter is not installed.
          RuntimeError: The converter fails.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(input_dict[PUSHED_MODEL_KEY])
        if not pushed.get_int_custom_property("pushed"):
            _LOG.info("nothing was pushed: no files for a browser")
            return
        export(
            pushed.uri,
            exec_properties["model_name"],
            pushed.get_string_custom_property(PUSHED_VERSION_PROPERTY),
            find_tools(from_json(BrowserSettings, exec_properties["browser_settings"]).tools),
            artifact_utils.get_single_instance(output_dict[BROWSER_MODEL_KEY]).uri,
        )


class BrowserModelSpec(ComponentSpec):
    """A pushed model in, files for a browser out."""

    PARAMETERS = {"model_name": ExecutionParameter(type=str), "browser_settings": ExecutionParameter(type=str)}
    INPUTS = {
        PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel),
    }
    OUTPUTS = {BROWSER_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model)}


class BrowserModel(BaseComponent):
    """The pushed model as TensorFlow.js files, and a page that answers with them without any server."""

    SPEC_CLASS = BrowserModelSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, pushed_model: BaseChannel, model_name: str, settings: BrowserSettings):
        super().__init__(
            BrowserModelSpec(
                model_name=model_name,
                browser_settings=to_json(settings),
                pushed_model=pushed_model,
                browser_model=Channel(type=standard_artifacts.Model),
            )
        )
