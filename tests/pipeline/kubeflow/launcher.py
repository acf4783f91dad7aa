"""Runs a compiled pipeline without a cluster, doing what Kubeflow's driver and launcher do, one pod for each attempt of a step.

From backend/src/v2/driver and backend/src/v2/component/launcher_v2.go of kubeflow/pipelines 2.17.0 (2.16.1 differs in nothing
that is imitated). What the driver knows of an input artifact is what ML Metadata keeps: its id for a name, its URI and
properties, and no type.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentOutputsSpec, ExecutorInput, ExecutorOutput

from tests.pipeline.kubeflow.argo import Attempt, Stop, decide
from tests.pipeline.kubeflow.backend import Accepted, RefusedError, root_parameters
from tests.pipeline.kubeflow.driver import Artifact, fingerprint, make_pod, resolve_inputs
from tests.pipeline.kubeflow.pod import CHECKOUT, run_in_pod, why_not_confined

_SCHEMES = {"gs": "gcs", "s3": "s3", "minio": "minio"}

# What argocompiler mounts into every step, an emptyDir each.
_SCRATCH = ("/gcs", "/s3", "/minio", "/.local", "/.cache", "/.config")

LOGS = "executor-logs"


class StepFailedError(Exception):
    """A step has failed for good.

    Attributes:
      step: Its name.
      log: What its last attempt wrote.
      reason: Why it is not tried again, in Argo's words.
    """

    def __init__(self, step: str, log: str, reason: str = ""):
        super().__init__(f"{step} failed ({reason}):\n{log[-4000:]}")
        self.step = step
        self.log = log
        self.reason = reason


class _AttemptFailedError(Exception):
    pass


@dataclass
class Run:
    """A run of a pipeline.

    Attributes:
      outputs: Step, then output's name, to artifact.
      pods: Resources, selector, tolerations, mounts and security context of each step's pod.
      seconds: Time of each step that ran.
      attempts: How often each step was tried.
      cached: Steps that took an earlier run's outputs.
      logs: Step, then attempt, to the artifact of its log.
    """

    outputs: dict[str, dict[str, Artifact]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    logs: dict[str, list[Artifact]] = field(default_factory=dict)


class Cluster:
    """Somewhere to run pipelines: a bucket, ML Metadata, the cache of steps, and claims."""

    def __init__(
        self,
        folder: Path,
        pipeline_root: str = "minio://mlpipeline/v2/artifacts",
        workers: int = 2,
        claims: Mapping[str, Path] | None = None,
        publish_logs: str = "true",
        hides_logs: bool = False,
        confined: bool | None = None,
        restricted: bool = False,
    ):
        """Makes a cluster.

        Args:
          folder: Where it keeps everything.
          pipeline_root: `defaultPipelineRoot` of the ConfigMap `kfp-launcher`.
          workers: How many pods there may be at a time.
          claims: Folders of the PersistentVolumeClaims.
          publish_logs: PUBLISH_LOGS of the API server; "true" in Kubeflow's manifests.
          hides_logs: Whether the launcher takes the logs' artifact out before it fills the placeholders, as the unreleased one
            does.
          confined: Whether steps run as a pod would (tests/pipeline/kubeflow/pod.py); as this machine allows if None.
          restricted: Whether the namespace enforces the Pod Security Standard `restricted`.
        """
        self.bucket = folder / "bucket"
        self._pods = folder / "pods"
        self._root = pipeline_root
        self._workers = workers
        self._claims = dict(claims or {})
        self._publish_logs = publish_logs == "true"
        self._hides_logs = hides_logs
        self._confined = not why_not_confined() if confined is None else confined
        self._restricted = restricted
        self._ids = 0
        self._lock = threading.Lock()
        self._cache: dict[str, dict[str, Artifact]] = {}
        for claim in self._claims.values():
            claim.mkdir(parents=True, exist_ok=True)
            claim.chmod(0o777)

    def run(
        self,
        accepted: Accepted,
        parameters: dict[str, Any] | None = None,
        pipeline_root: str = "",
        seconds: Mapping[str, Sequence[float]] | None = None,
        steps: Sequence[str] = (),
    ) -> Run:
        """Runs a pipeline.

        Args:
          accepted: The pipeline. Its `default_pipeline_root` is read by nobody.
          parameters: Those of the run.
          pipeline_root: That of the run.
          seconds: How long the attempts of a step take, in virtual time.
          steps: Which steps; all if none is named.

        Raises:
          StepFailedError: A step has failed for good.
          RefusedError: The API server refuses the parameters, or the launcher an output.
        """
        values = root_parameters(accepted.spec, parameters or {})
        run, name = Run(), accepted.spec.pipeline_info.name
        run_root = f"{pipeline_root or self._root}/{name}/{uuid.uuid4()}"
        running: dict[Future[None], str] = {}
        waiting = [step for step in accepted.order if not steps or step in steps]
        with ThreadPoolExecutor(self._workers) as pool:
            while waiting or running:
                for step in [step for step in waiting if accepted.needs(step) <= run.outputs.keys()]:
                    waiting.remove(step)
                    lasting = (seconds or {}).get(step, ())
                    running[pool.submit(self._step, accepted, step, values, run_root, run, lasting)] = step
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    future.result()
        return run

    def path(self, uri: str) -> Path:
        """Where the object store keeps what lies at a URI."""
        return self.bucket / _local_path(uri)

    def _step(
        self,
        accepted: Accepted,
        step: str,
        values: dict[str, Value],
        run_root: str,
        run: Run,
        lasting: Sequence[float],
    ) -> None:
        executor_input = ExecutorInput()
        resolve_inputs(accepted, step, values, run.outputs, executor_input)
        run.pods[step] = pod = make_pod(accepted, step, executor_input, values)
        if self._restricted and not pod["security"].get("runAsNonRoot"):
            # All else that it asks for argocompiler's security_context.go writes into every step, from 2.16 on.
            raise RefusedError(f'{step}: violates PodSecurity "restricted:latest": runAsNonRoot != true')
        salt = uuid.uuid4()
        declared_outputs = dict(accepted.component(step).output_definitions.artifacts)
        if self._publish_logs:
            declared_outputs[LOGS] = ComponentOutputsSpec.ArtifactSpec()
            declared_outputs[LOGS].artifact_type.schema_title = "system.Artifact"
        for name, declared in declared_outputs.items():
            artifact = executor_input.outputs.artifacts[name].artifacts.add(
                name=name, uri=f"{run_root}/{step}/{salt}/{name}", type=declared.artifact_type
            )
            artifact.metadata.CopyFrom(declared.metadata)
        key = fingerprint(accepted, step, executor_input, pod)
        if accepted.tasks[step].caching_options.enable_cache and key in self._cache:
            run.cached.append(step)
            run.outputs[step] = self._cache[key]
            return
        began = time.monotonic()
        run.outputs[step] = self._cache[key] = self._retry(
            accepted, step, executor_input, f"{run_root}/{step}/{salt}", run, lasting
        )
        run.seconds[step] = time.monotonic() - began

    def _retry(
        self,
        accepted: Accepted,
        step: str,
        executor_input: ExecutorInput,
        task_root: str,
        run: Run,
        lasting: Sequence[float],
    ) -> dict[str, Artifact]:
        """Tries a step as often as Argo would."""
        attempts: list[Attempt] = []
        now, deadline = 0.0, float("inf")
        while True:
            run.attempts[step] = len(attempts) + 1
            lasts = lasting[len(attempts)] if len(attempts) < len(lasting) else 0.0
            try:
                outputs = self._launch(accepted, step, executor_input, task_root, len(attempts), run)
                if now + lasts <= deadline:
                    return outputs
                log = "terminated: the pod was active on the node longer than the specified deadline (exit status 143)"
            except _AttemptFailedError as error:
                log = str(error)
            attempts.append(Attempt(now, min(now + lasts, deadline)))
            again = decide(accepted.tasks[step].retry_policy, attempts)
            if isinstance(again, Stop):
                raise StepFailedError(step, log, again.reason)
            now, deadline = again.at, again.deadline

    def _launch(
        self,
        accepted: Accepted,
        step: str,
        given: ExecutorInput,
        task_root: str,
        attempt: int,
        run: Run,
    ) -> dict[str, Artifact]:
        """What the launcher does in one pod."""
        executor_input = ExecutorInput()
        executor_input.CopyFrom(given)
        pod = self._pods / f"{step}-{uuid.uuid4()}"
        inside = "" if self._confined else str(pod)
        executor_input.outputs.output_file = f"{inside}/{_local_path(task_root)}/output_metadata.json"
        if LOGS in executor_input.outputs.artifacts:
            logs = executor_input.outputs.artifacts[LOGS].artifacts[0]
            logs.uri += f"-{attempt}"
        told = ExecutorInput()
        told.CopyFrom(executor_input)
        if self._hides_logs:
            del told.outputs.artifacts[LOGS]
        placeholders = _placeholders(told, inside)
        text = json_format.MessageToJson(told, indent=None)
        container = accepted.container(step)
        command = [argument.replace("{{$}}", text) for argument in (*container.command, *container.args)]
        for key, value in placeholders.items():
            command = [argument.replace(key, value) for argument in command]
        mounts = self._make_mounts(pod, run.pods[step]["mounts"])
        for artifacts in executor_input.outputs.artifacts.values():
            (pod / _local_path(artifacts.artifacts[0].uri)).parent.mkdir(parents=True, exist_ok=True)
        for artifacts in executor_input.inputs.artifacts.values():
            _copy_files(self.path(artifacts.artifacts[0].uri), pod / _local_path(artifacts.artifacts[0].uri))
        _give_away(pod)
        completed = run_in_pod(command, pod, mounts) if self._confined else _run_bare(command, pod)
        if LOGS in executor_input.outputs.artifacts:
            (pod / _local_path(logs.uri)).write_text(completed.stdout)
            _copy_files(pod / _local_path(logs.uri), self.path(logs.uri))
            run.logs.setdefault(step, []).append(Artifact(self._next_id(), logs.uri, {"display_name": LOGS}))
        if completed.returncode != 0:
            raise _AttemptFailedError(completed.stdout)
        outputs = self._collect(executor_input, pod)
        shutil.rmtree(pod)
        return outputs

    def _make_mounts(self, pod: Path, named: Mapping[str, str]) -> dict[str, Path]:
        """Makes a pod's folders: emptyDirs, but for the claims."""
        mounts = {target: pod / target.strip("/") for target in _SCRATCH}
        for target, claim in named.items():
            mounts[target] = self._claims[claim] if claim else pod / target.strip("/")
        for target, source in mounts.items():
            if not named.get(target):
                source.mkdir(parents=True)
                source.chmod(0o777)
        return mounts

    def _next_id(self) -> int:
        with self._lock:
            self._ids += 1
            return self._ids

    def _collect(self, executor_input: ExecutorInput, pod: Path) -> dict[str, Artifact]:
        """Reads the executor's output, strictly, and uploads the output artifacts: files, folders as such do not exist."""
        output = ExecutorOutput()
        inside = executor_input.outputs.output_file
        output_file = pod / inside.removeprefix("/") if self._confined else Path(inside)
        if output_file.exists():
            json_format.Parse(output_file.read_text(), output)
        collected = {}
        for name, artifacts in executor_input.outputs.artifacts.items():
            if name == LOGS:
                continue
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
            collected[name] = Artifact(self._next_id(), artifact.uri, metadata)
        return collected


def _run_bare(command: Sequence[str], pod: Path) -> subprocess.CompletedProcess[str]:
    """Runs a step where a machine does not let it be confined: its own folder is its working directory."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "HOME": str(pod),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return subprocess.run(
        command, cwd=pod, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def _give_away(folder: Path) -> None:
    """Lets every user write: in a pod the launcher itself makes these folders, as the step's user."""
    folder.chmod(0o777)
    for path in folder.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)


def _placeholders(executor_input: ExecutorInput, inside: str) -> dict[str, str]:
    found = {}
    for name, artifacts in executor_input.inputs.artifacts.items():
        found["{{$.inputs.artifacts['" + name + "'].uri}}"] = artifacts.artifacts[0].uri
        found["{{$.inputs.artifacts['" + name + "'].path}}"] = f"{inside}/{_local_path(artifacts.artifacts[0].uri)}"
    for name, artifacts in executor_input.outputs.artifacts.items():
        found["{{$.outputs.artifacts['" + name + "'].uri}}"] = artifacts.artifacts[0].uri
        found["{{$.outputs.artifacts['" + name + "'].path}}"] = f"{inside}/{_local_path(artifacts.artifacts[0].uri)}"
    for name, value in executor_input.inputs.parameter_values.items():
        plain = json_format.MessageToDict(value)
        found["{{$.inputs.parameters['" + name + "']}}"] = plain if isinstance(plain, str) else json.dumps(plain)
    return found


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
