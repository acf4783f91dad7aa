"""The Baseline component.

A TFX Resolver (latest blessed model) would not do: open-source Kubeflow refuses resolvers, and after a rollback the version
being served is not the latest blessed one.
"""

import os

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import path_utils

from components.baseline.served import served_version
from components.executor import Artifacts, Properties
from components.files import copy_folder
from components.names import VERSION_PROPERTY


class Executor(BaseExecutor):
    """Copies the version being served into the artifact, so that a step on another machine can read it."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Fills the artifact `model`; leaves it empty, with an empty version, if no version is served yet."""
        model = artifact_utils.get_single_instance(output_dict["model"])
        version = served_version(exec_properties["model_dir"])
        if version is not None:
            source = os.path.join(exec_properties["model_dir"], str(version))
            copy_folder(source, path_utils.serving_model_dir(model.uri))
        model.set_string_custom_property(VERSION_PROPERTY, "" if version is None else str(version))


class BaselineSpec(ComponentSpec):
    """A model's folder in, its served version out."""

    PARAMETERS = {"model_dir": ExecutionParameter(type=str)}
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}


class Baseline(BaseComponent):
    """Resolves the version being served. Never cached: what is served changes without this component's inputs changing."""

    SPEC_CLASS = BaselineSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, model_dir: str):
        super().__init__(BaselineSpec(model_dir=model_dir, model=Channel(type=standard_artifacts.Model)))


def baseline_version(model: Artifact) -> str:
    """Returns the version that a Baseline artifact holds, the empty string if none was served."""
    return str(model.get_string_custom_property(VERSION_PROPERTY))
