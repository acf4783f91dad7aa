"""The parameters that a run of the compiled pipeline takes, without compiling it again."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.kubeflow.settings import KubeflowSettings

# Settings of the task as `--set` takes them, separated by spaces, instead of those that were compiled in; empty keeps those.
# Not on top of them: each step would have to hold the compiled ones, and changing one would end the caching of all.
SETTINGS = "settings"

ACCELERATOR_TYPE = "accelerator_type"
ACCELERATOR_COUNT = "accelerator_count"
NODE_SELECTOR = "node_selector"
TOLERATIONS = "tolerations"

# Under this prefix a step has the run's parameters beside its own, as the KFP compiler names them too.
PREFIX = "pipelinechannel--"

_TYPES = {NODE_SELECTOR: "STRUCT", TOLERATIONS: "LIST"}


def default_values(settings: KubeflowSettings) -> dict[str, Any]:
    """Returns the run's parameters with what they are unless a run says otherwise."""
    return {
        SETTINGS: "",
        ACCELERATOR_TYPE: settings.accelerator,
        # A string, because the backend takes pods' resources from strings.
        ACCELERATOR_COUNT: str(settings.accelerator_count if settings.accelerator else 0),
        NODE_SELECTOR: settings.node_labels,
        TOLERATIONS: settings.accelerator_tolerations,
    }


def placeholder(name: str) -> str:
    """Returns what the backend replaces by a parameter in a step's resources."""
    return "{{$.inputs.parameters['" + PREFIX + name + "']}}"


def declare_parameters(
    spec: pipeline_spec_pb2.PipelineSpec, settings: KubeflowSettings, assignments: Sequence[str]
) -> None:
    """Declares the run's parameters, with their defaults and what Kubeflow's page says of them."""
    compiled = " ".join(assignments) or "none"
    descriptions = {
        SETTINGS: f"settings of the task, separated by spaces, in place of those that were compiled in ({compiled})",
        ACCELERATOR_TYPE: "resource of the accelerated steps, such as nvidia.com/gpu",
        ACCELERATOR_COUNT: "how many of it",
        NODE_SELECTOR: "labels of the nodes for the accelerated steps",
        TOLERATIONS: "Kubernetes' tolerations of the accelerated steps",
    }
    for name, value in default_values(settings).items():
        parameter = spec.root.input_definitions.parameters[name]
        parameter.description = descriptions[name]
        parameter.parameter_type = _parameter_type(name)
        parameter.default_value.CopyFrom(_to_value(value))
        parameter.is_optional = True


def pass_parameter(spec: pipeline_spec_pb2.PipelineSpec, step: str, name: str) -> None:
    """Hands one of the run's parameters to a step."""
    component = spec.components[spec.root.dag.tasks[step].component_ref.name]
    component.input_definitions.parameters[PREFIX + name].parameter_type = _parameter_type(name)
    spec.root.dag.tasks[step].inputs.parameters[PREFIX + name].component_input_parameter = name


def _parameter_type(name: str) -> Any:
    return pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Value(_TYPES.get(name, "STRING"))


def _to_value(value: Any) -> struct_pb2.Value:
    holder = struct_pb2.Struct()
    holder.update({"value": value})
    return holder.fields["value"]
