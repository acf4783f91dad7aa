"""Runs a compiled pipeline without a cluster, doing what Kubeflow's driver and launcher do, one process for each step.

From backend/src/v2/driver and backend/src/v2/component/launcher_v2.go of kubeflow/pipelines. What the driver knows of an input
artifact is what ML Metadata keeps: its id for a name, its URI and properties, and no type.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorInput, ExecutorOutput

from tests.pipeline.kubeflow.backend import Accepted, RefusedError, check_kind

CHECKOUT = Path(__file__).parents[3]

_SCHEMES = {"gs": "gcs", "s3": "s3", "minio": "minio"}


class StepFailedError(Exception):
    """A step's command failed."""

    def __init__(self, step: str, log: str):
        super().__init__(f"{step} failed:\n{log[-4000:]}")
        self.step = step
        self.log = log


@dataclass
class Artifact:
    """What ML Metadata knows of an artifact."""

    id: int
    uri: str
    metadata: dict[str, Any]


@dataclass
class Run:
    """A run of a pipeline.

    Attributes:
      outputs: Step, then output's name, to artifact.
      pods: Resources, selector and tolerations of each step's pod.
      seconds: Time of each step that ran.
      cached: Steps that took an earlier run's outputs.
    """

    outputs: dict[str, dict[str, Artifact]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)


class Cluster:
    """Somewhere to run pipelines: a bucket, ML Metadata, and the cache of steps."""

    def __init__(self, folder: Path, pipeline_root: str = "minio://mlpipeline/v2/artifacts", workers: int = 2):
        self.bucket = folder / "bucket"
        self._pods = folder / "pods"
        self._root = pipeline_root
        self._workers = workers
        self._ids = 0
        self._lock = threading.Lock()
        self._cache: dict[str, dict[str, Artifact]] = {}

    def run(self, accepted: Accepted, parameters: dict[str, Any] | None = None) -> Run:
        """Runs a pipeline with parameters for the run; raises StepFailedError."""
        values = _root_parameters(accepted, parameters or {})
        run, name = Run(), accepted.spec.pipeline_info.name
        run_root = f"{accepted.spec.default_pipeline_root or self._root}/{name}/{uuid.uuid4()}"
        running: dict[Future[None], str] = {}
        waiting = list(accepted.order)
        with ThreadPoolExecutor(self._workers) as pool:
            while waiting or running:
                for step in [step for step in waiting if accepted.needs(step) <= run.outputs.keys()]:
                    waiting.remove(step)
                    running[pool.submit(self._step, accepted, step, values, run_root, run)] = step
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    future.result()
        return run

    def path(self, uri: str) -> Path:
        """Where the object store keeps what lies at a URI."""
        return self.bucket / _local_path(uri)

    def _step(self, accepted: Accepted, step: str, values: dict[str, Value], run_root: str, run: Run) -> None:
        executor_input = ExecutorInput()
        _resolve_inputs(accepted, step, values, run, executor_input)
        run.pods[step] = _pod(accepted, step, executor_input, values)
        key = _fingerprint(accepted, step, executor_input)
        if accepted.tasks[step].caching_options.enable_cache and key in self._cache:
            run.cached.append(step)
            run.outputs[step] = self._cache[key]
            return
        salt = uuid.uuid4()
        for name, declared in accepted.component(step).output_definitions.artifacts.items():
            artifact = executor_input.outputs.artifacts[name].artifacts.add(
                name=name, uri=f"{run_root}/{step}/{salt}/{name}", type=declared.artifact_type
            )
            artifact.metadata.CopyFrom(declared.metadata)
        began = time.monotonic()
        for attempt in range(accepted.tasks[step].retry_policy.max_retry_count + 1):
            try:
                outputs = self._launch(accepted, step, executor_input, f"{step}-{salt}-{attempt}")
                break
            except StepFailedError:
                if attempt == accepted.tasks[step].retry_policy.max_retry_count:
                    raise
        run.seconds[step] = time.monotonic() - began
        run.outputs[step] = outputs
        self._cache[key] = outputs

    def _launch(
        self, accepted: Accepted, step: str, executor_input: ExecutorInput, pod_name: str
    ) -> dict[str, Artifact]:
        """What the launcher does in one pod."""
        pod = self._pods / pod_name
        # Beside the artifacts since KFP 2.15; in /tmp before.
        task_root = next(iter(executor_input.outputs.artifacts.values())).artifacts[0].uri.rpartition("/")[0]
        executor_input.outputs.output_file = str(pod / _local_path(task_root) / "output_metadata.json")
        placeholders = _placeholders(executor_input, pod)
        text = json_format.MessageToJson(executor_input, indent=None)
        container = accepted.container(step)
        command = [argument.replace("{{$}}", text) for argument in (*container.command, *container.args)]
        for key, value in placeholders.items():
            command = [argument.replace(key, value) for argument in command]
        for artifacts in executor_input.outputs.artifacts.values():
            (pod / _local_path(artifacts.artifacts[0].uri)).parent.mkdir(parents=True, exist_ok=True)
        for artifacts in executor_input.inputs.artifacts.values():
            _copy_files(self.path(artifacts.artifacts[0].uri), pod / _local_path(artifacts.artifacts[0].uri))
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "HOME": str(pod),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        completed = subprocess.run(
            command, cwd=pod, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if completed.returncode != 0:
            raise StepFailedError(step, completed.stdout)
        outputs = self._collect(executor_input, pod)
        shutil.rmtree(pod)
        return outputs

    def _collect(self, executor_input: ExecutorInput, pod: Path) -> dict[str, Artifact]:
        """Reads the executor's output, strictly, and uploads the output artifacts: files, folders as such do not exist."""
        output = ExecutorOutput()
        output_file = Path(executor_input.outputs.output_file)
        if output_file.exists():
            json_format.Parse(output_file.read_text(), output)
        collected = {}
        for name, artifacts in executor_input.outputs.artifacts.items():
            (artifact,) = artifacts.artifacts
            if output.artifacts[name].artifacts:
                given = output.artifacts[name].artifacts[0]
                if given.uri not in ("", artifact.uri):
                    raise RefusedError(f"{name} has moved from {artifact.uri} to {given.uri}")
                artifact.metadata.MergeFrom(given.metadata)
            metadata = {"display_name": name, "store_session_info": '{"Provider":"minio"}'}
            for key, value in artifact.metadata.fields.items():
                metadata[key] = _to_mlmd(key, value)
            _copy_files(pod / _local_path(artifact.uri), self.path(artifact.uri))
            with self._lock:
                self._ids += 1
                collected[name] = Artifact(self._ids, artifact.uri, metadata)
        return collected


def _root_parameters(accepted: Accepted, given: dict[str, Any]) -> dict[str, Value]:
    declared = accepted.spec.root.input_definitions.parameters
    if unknown := sorted(set(given) - set(declared)):
        raise RefusedError(f"parameters {unknown} are not in the pipeline")
    values = {}
    for name, parameter in declared.items():
        if name in given:
            holder = Struct()
            holder.update({"value": given[name]})
            values[name] = check_kind(name, parameter, holder.fields["value"])
        elif parameter.HasField("default_value"):
            values[name] = parameter.default_value
        elif not parameter.is_optional:
            raise RefusedError(f"parameter {name} is missing")
    return values


def _resolve_inputs(
    accepted: Accepted, step: str, values: dict[str, Value], run: Run, executor_input: ExecutorInput
) -> None:
    task, component = accepted.tasks[step], accepted.component(step)
    for name, source in task.inputs.parameters.items():
        kind = source.WhichOneof("kind")
        value = source.runtime_value.constant if kind == "runtime_value" else values[source.component_input_parameter]
        declared = component.input_definitions.parameters[name]
        executor_input.inputs.parameter_values[name].CopyFrom(check_kind(name, declared, value))
    for name, source in task.inputs.artifacts.items():
        output = source.task_output_artifact
        known = run.outputs[output.producer_task][output.output_artifact_key]
        artifact = executor_input.inputs.artifacts[name].artifacts.add(name=str(known.id), uri=known.uri)
        artifact.type.instance_schema = ""
        artifact.metadata.update(known.metadata)


def _pod(accepted: Accepted, step: str, executor_input: ExecutorInput, values: dict[str, Value]) -> dict[str, Any]:
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
    pod: dict[str, Any] = {"image": container.image, "limits": limits}
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
        }
    return pod


def _placeholders(executor_input: ExecutorInput, pod: Path) -> dict[str, str]:
    found = {}
    for name, artifacts in executor_input.inputs.artifacts.items():
        found["{{$.inputs.artifacts['" + name + "'].uri}}"] = artifacts.artifacts[0].uri
        found["{{$.inputs.artifacts['" + name + "'].path}}"] = str(pod / _local_path(artifacts.artifacts[0].uri))
    for name, artifacts in executor_input.outputs.artifacts.items():
        found["{{$.outputs.artifacts['" + name + "'].uri}}"] = artifacts.artifacts[0].uri
        found["{{$.outputs.artifacts['" + name + "'].path}}"] = str(pod / _local_path(artifacts.artifacts[0].uri))
    for name, value in executor_input.inputs.parameter_values.items():
        plain = json_format.MessageToDict(value)
        found["{{$.inputs.parameters['" + name + "']}}"] = plain if isinstance(plain, str) else json.dumps(plain)
    return found


def _fingerprint(accepted: Accepted, step: str, executor_input: ExecutorInput) -> str:
    """What the cache goes by: inputs by name and id, the outputs' types, image and command."""
    container = accepted.container(step)
    inputs = executor_input.inputs
    parts = [
        step,
        container.image,
        [*container.command, *container.args],
        {name: artifacts.artifacts[0].name for name, artifacts in inputs.artifacts.items()},
        {name: json_format.MessageToDict(value) for name, value in inputs.parameter_values.items()},
        json_format.MessageToDict(accepted.component(step).output_definitions),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _to_mlmd(key: str, value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "null_value":
        raise RefusedError(f"property {key}: unknown/unsupported value type null")
    if kind == "bool_value":
        return int(value.bool_value)
    plain = json_format.MessageToDict(value)
    return {kind.removesuffix("_value"): plain} if kind in ("list_value", "struct_value") else plain


def _local_path(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    if scheme not in _SCHEMES:
        raise RefusedError(f"unsupported storage scheme: {uri}")
    return f"{_SCHEMES[scheme]}/{rest}"


def _copy_files(source: Path, target: Path) -> None:
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    for path in files:
        copy = target / path.relative_to(source) if source.is_dir() else target
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
