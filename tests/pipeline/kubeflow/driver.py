"""What Kubeflow's driver hands to a step: its inputs, its pod, and what the cache goes by.

From backend/src/v2/driver of kubeflow/pipelines 2.17.0.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorInput

from tests.pipeline.kubeflow.backend import Accepted, RefusedError, check_kind


@dataclass
class Artifact:
    """What ML Metadata knows of an artifact."""

    id: int
    uri: str
    metadata: dict[str, Any]


def resolve_inputs(
    accepted: Accepted,
    step: str,
    values: dict[str, Value],
    outputs: dict[str, dict[str, Artifact]],
    executor_input: ExecutorInput,
) -> None:
    task, component = accepted.tasks[step], accepted.component(step)
    for name, source in task.inputs.parameters.items():
        kind = source.WhichOneof("kind")
        value = source.runtime_value.constant if kind == "runtime_value" else values[source.component_input_parameter]
        declared = component.input_definitions.parameters[name]
        executor_input.inputs.parameter_values[name].CopyFrom(check_kind(name, declared, value))
    for name, source in task.inputs.artifacts.items():
        output = source.task_output_artifact
        known = outputs[output.producer_task][output.output_artifact_key]
        artifact = executor_input.inputs.artifacts[name].artifacts.add(name=str(known.id), uri=known.uri)
        artifact.type.instance_schema = ""
        artifact.metadata.update(known.metadata)


def make_pod(accepted: Accepted, step: str, executor_input: ExecutorInput, values: dict[str, Value]) -> dict[str, Any]:
    """What the driver puts into the pod."""
    inputs = executor_input.inputs.parameter_values

    def resolve(text: str) -> str:
        for name, value in inputs.items():
            text = text.replace("{{$.inputs.parameters['" + name + "']}}", value.string_value)
        if "{{$" in text:
            raise RefusedError(f"{step}: {text} is not in the executor input")
        return text

    container = accepted.container(step)
    resources = container.resources
    limits = {"cpu": resources.resource_cpu_limit, "memory": resources.resource_memory_limit}
    accelerator = resolve(resources.accelerator.resource_type), resolve(resources.accelerator.resource_count)
    if all(accelerator):
        limits[accelerator[0]] = accelerator[1]
    pod: dict[str, Any] = {"image": container.image, "limits": limits, "mounts": {}, "security": {}}
    config = accepted.platform.get(accepted.component(step).executor_label)
    if config is not None:
        selector = values.get(config.node_selector.node_selector_json.component_input_parameter)
        pod["node_selector"] = json_format.MessageToDict(selector) if selector else dict(config.node_selector.labels)
        pod["tolerations"] = [
            toleration
            for source in config.tolerations
            for toleration in json_format.MessageToDict(values[source.toleration_json.component_input_parameter])
        ]
        pod["mounts"] = {
            m.mount_path: m.pvc_name_parameter.runtime_value.constant.string_value for m in config.pvc_mount
        } | {m.mount_path: "" for m in config.empty_dir_mounts}
        pod["security"] = json_format.MessageToDict(config.security_context)
    return pod


def fingerprint(accepted: Accepted, step: str, executor_input: ExecutorInput, pod: dict[str, Any]) -> str:
    """What the cache goes by: inputs by name and id, the outputs' types, image, command and claims."""
    container = accepted.container(step)
    inputs = executor_input.inputs
    parts = [
        step,
        container.image,
        sorted(claim for claim in pod["mounts"].values() if claim),
        [*container.command, *container.args],
        {name: artifacts.artifacts[0].name for name, artifacts in inputs.artifacts.items()},
        {name: json_format.MessageToDict(value) for name, value in inputs.parameter_values.items()},
        {name: json_format.MessageToDict(a.artifacts[0].type) for name, a in executor_input.outputs.artifacts.items()},
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
