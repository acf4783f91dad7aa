"""What Kubeflow Pipelines' backend accepts: a compiled pipeline read as its API server and its compiler to Argo read it.

From backend/src/apiserver/template/v2_template.go, backend/src/v2/compiler and backend/src/v2/driver of kubeflow/pipelines
2.16.1 and 2.17.0.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec import pipeline_spec_pb2

PIPELINE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

# Kinds of protobuf values that a parameter of a type may have.
_KINDS = {
    "NUMBER_DOUBLE": "number_value",
    "NUMBER_INTEGER": "number_value",
    "STRING": "string_value",
    "BOOLEAN": "bool_value",
    "LIST": "list_value",
    "STRUCT": "struct_value",
}


class RefusedError(Exception):
    """The backend would refuse this."""


@dataclass
class Accepted:
    """A pipeline that the backend takes.

    Attributes:
      spec: The pipeline.
      executors: Container or importer specs by label.
      platform: Kubernetes' part, by label of the executor.
      order: Steps, each after those it needs.
    """

    spec: Any
    executors: dict[str, Any]
    platform: dict[str, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    @property
    def tasks(self):
        return self.spec.root.dag.tasks

    def component(self, step):
        return self.spec.components[self.tasks[step].component_ref.name]

    def container(self, step):
        return self.executors[self.component(step).executor_label].container

    def needs(self, step):
        """Steps that must have run before one."""
        task = self.tasks[step]
        artifacts = (a.task_output_artifact.producer_task for a in task.inputs.artifacts.values())
        parameters = (
            p.task_output_parameter.producer_task
            for p in task.inputs.parameters.values()
            if p.HasField("task_output_parameter")
        )
        return {*task.dependent_tasks, *artifacts, *parameters}


def accept(text: str) -> Accepted:
    """Reads a compiled pipeline, or raises RefusedError."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    specs = [document for document in documents if "platforms" not in document]
    platforms = [document for document in documents if "platforms" in document]
    if len(specs) != 1 or len(platforms) > 1:
        raise RefusedError(f"{len(specs)} pipeline specs and {len(platforms)} platform specs")
    spec = _parse(specs[0], pipeline_spec_pb2.PipelineSpec())
    if spec.schema_version != "2.1.0":
        raise RefusedError(f"KFP only supports schema version 2.1.0, this is {spec.schema_version}")
    if not PIPELINE_NAME.fullmatch(spec.pipeline_info.name):
        raise RefusedError(f"pipeline name {spec.pipeline_info.name!r}")
    if not spec.root.dag.tasks:
        raise RefusedError("root component is empty")
    deployment = _parse(json_format.MessageToDict(spec.deployment_spec), pipeline_spec_pb2.PipelineDeploymentConfig())
    accepted = Accepted(spec, dict(deployment.executors))
    for name, parameter in spec.root.input_definitions.parameters.items():
        if parameter.HasField("default_value"):
            check_kind(name, parameter, parameter.default_value)
    for step in spec.root.dag.tasks:
        _check_step(accepted, step)
    accepted.order = _sort(accepted)
    if platforms:
        _read_platform(accepted, platforms[0])
    return accepted


def check_kind(name: str, declared: Any, value: Value) -> Value:
    """Returns a parameter's value as its declared type; what can be told in words becomes a string."""
    kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(declared.parameter_type)
    if kind not in _KINDS:
        raise RefusedError(f"parameter {name} has type {kind}")
    actual = value.WhichOneof("kind")
    if actual == _KINDS[kind]:
        return value
    if kind == "STRING" and actual == "number_value":
        return Value(string_value=f"{value.number_value:g}")
    raise RefusedError(f"input parameter {name!r} type mismatch: expect {kind}, got {actual}")


def root_parameters(spec: Any, given: dict[str, Any]) -> dict[str, Value]:
    """Returns the parameters of a run, or raises RefusedError in the API server's words.

    From `validatePipelineJobInputs` in backend/src/apiserver/template/v2_template.go of 2.16.1. Nothing is converted here.
    """
    declared = spec.root.input_definitions.parameters
    values: dict[str, Value] = {}
    for name, parameter in declared.items():
        if name not in given:
            if not parameter.is_optional and not parameter.HasField("default_value"):
                raise RefusedError(
                    f"parameter {name} is not optional, yet has neither default value nor user provided value"
                )
            if parameter.HasField("default_value"):
                values[name] = parameter.default_value
            continue
        holder = Struct()
        holder.update({"value": given[name]})
        kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(parameter.parameter_type)
        if holder.fields["value"].WhichOneof("kind") != _KINDS[kind]:
            asked = {"NUMBER_DOUBLE": "double or integer", "NUMBER_INTEGER": "double or integer", "BOOLEAN": "bool"}
            is_not = {"NUMBER_DOUBLE": "number", "NUMBER_INTEGER": "number", "BOOLEAN": "bool"}
            raise RefusedError(
                f"input parameter {name} requires type {asked.get(kind, kind.lower())}, but the input parameter is not of "
                f"{is_not.get(kind, kind.lower())} value type"
            )
        values[name] = holder.fields["value"]
    if unknown := [name for name in given if name not in declared]:
        raise RefusedError(f"parameter(s) provided are not required by pipeline: {', '.join(unknown)}")
    return values


def _parse(content: Any, message: Any) -> Any:
    try:
        return json_format.ParseDict(content, message)
    except json_format.ParseError as error:
        raise RefusedError(str(error)) from None


def _check_step(accepted: Accepted, step: str) -> None:
    spec, task = accepted.spec, accepted.tasks[step]
    if not DNS_1123.fullmatch(step):
        raise RefusedError(f"task {step!r} is no name of a Kubernetes object")
    if task.component_ref.name not in spec.components:
        raise RefusedError(f"{step}: cannot find component ref name={task.component_ref.name!r}")
    component = accepted.component(step)
    if component.executor_label not in accepted.executors:
        raise RefusedError(f"{step}: executor(label={component.executor_label!r}) not found")
    executor = accepted.executors[component.executor_label]
    if executor.WhichOneof("spec") not in ("container", "importer"):
        raise RefusedError(f"{step}: {executor.WhichOneof('spec')} executors not implemented")
    if executor.container.HasField("lifecycle"):
        raise RefusedError(f"{step}: the backend ignores lifecycle hooks")
    for producer in accepted.needs(step):
        if producer not in accepted.tasks:
            raise RefusedError(f"{step}: unknown producer task {producer!r} in DAG")
    for name in component.input_definitions.artifacts:
        if name not in task.inputs.artifacts:
            raise RefusedError(f"{step}: input artifact {name!r} comes from nowhere")
        source = task.inputs.artifacts[name].task_output_artifact
        if source.output_artifact_key not in accepted.component(source.producer_task).output_definitions.artifacts:
            raise RefusedError(f"{step}: {source.producer_task} has no output {source.output_artifact_key!r}")
    for name, declared in component.input_definitions.parameters.items():
        if name not in task.inputs.parameters:
            if not declared.is_optional and not declared.HasField("default_value"):
                raise RefusedError(f"{step}: neither value nor default value provided for {name!r}")
            continue
        _check_parameter(accepted, step, name, declared)


def _check_parameter(accepted: Accepted, step: str, name: str, declared: Any) -> None:
    given = accepted.tasks[step].inputs.parameters[name]
    kind = given.WhichOneof("kind")
    if kind == "component_input_parameter":
        if given.component_input_parameter not in accepted.spec.root.input_definitions.parameters:
            raise RefusedError(f"{step}: parent DAG does not have input parameter {given.component_input_parameter}")
    elif kind == "runtime_value":
        if given.runtime_value.WhichOneof("value") != "constant":
            raise RefusedError(f"{step}: {name} is neither a constant nor a parameter of the pipeline")
        check_kind(name, declared, given.runtime_value.constant)


def _sort(accepted: Accepted) -> list[str]:
    order: list[str] = []
    waiting = sorted(accepted.tasks)
    while waiting:
        ready = [step for step in waiting if accepted.needs(step) <= set(order)]
        if not ready:
            raise RefusedError(f"tasks wait for each other: {', '.join(waiting)}")
        order += ready
        waiting = [step for step in waiting if step not in ready]
    return order


def _read_platform(accepted: Accepted, document: dict[str, Any]) -> None:
    platforms = _parse(document, pipeline_spec_pb2.PlatformSpec()).platforms
    if set(platforms) != {"kubernetes"}:
        raise RefusedError(f"platforms {sorted(platforms)}")
    labels = {accepted.component(step).executor_label for step in accepted.tasks}
    for label, content in platforms["kubernetes"].deployment_spec.executors.items():
        if label not in labels:
            raise RefusedError(f"the platform spec speaks of {label!r}, which no task has")
        config = _parse(json_format.MessageToDict(content), KubernetesExecutorConfig())
        sources = [config.node_selector.node_selector_json, *(t.toleration_json for t in config.tolerations)]
        for source in sources:
            name = source.component_input_parameter
            if name and name not in accepted.spec.root.input_definitions.parameters:
                raise RefusedError(f"{label}: parent DAG does not have input parameter {name}")
        accepted.platform[label] = config
