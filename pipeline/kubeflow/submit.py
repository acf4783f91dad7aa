"""Submitting a compiled pipeline to Kubeflow, and following its run."""

import datetime
import graphlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kfp
import urllib3
import yaml
from kfp_server_api import ApiException, V2beta1Pipeline

from components.settings import SettingsError
from pipeline.kubeflow.client import KubeflowError, errors_in_words, get, quietly
from pipeline.kubeflow.logs import read_log_end
from pipeline.kubeflow.progress import Step, StepState, read_tasks, read_workflow, refusals, workflow_message

_ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}

# How long the server may be away while a run is followed: it is restarted, say, or a laptop sleeps.
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Version:
    """An uploaded pipeline."""

    pipeline_id: str
    version_id: str
    name: str


@dataclass(frozen=True)
class Schedule:
    """When a recurring run starts: every so many seconds, or by a cron expression of six fields (seconds first)."""

    every_seconds: int | None = None
    cron: str | None = None

    def __post_init__(self) -> None:
        if self.every_seconds is not None and self.every_seconds < 1:
            raise SettingsError(f"--every {self.every_seconds} is not a number of seconds above 0")
        if self.cron is not None and len(self.cron.split()) != 6:
            raise SettingsError(
                f"--cron {self.cron!r} has {len(self.cron.split())} fields, not six: seconds come first"
            )


@dataclass
class Followed:
    """What has become of a run.

    Attributes:
      state: As Kubeflow calls it, such as SUCCEEDED.
      error: Which steps failed, in which attempt, and why; empty if the run did not fail.
      log: Last lines of the log of the first step that failed.
      refused: Why the model was not let through, although the run succeeded; a sentence each.
      steps: The steps in the order of the pipeline.
    """

    state: str = "PENDING"
    error: str = ""
    log: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def upload(client: kfp.Client, package: Path, name: str, namespace: str = "") -> Version:
    """Uploads a compiled pipeline as a new version of the pipeline `name`, which is made if there is none.

    Raises:
      KubeflowError: The server refuses it.
    """
    with errors_in_words(_host(client)):
        pipeline_id = _find_pipeline(client, name, namespace)
        if pipeline_id is None:
            pipeline = V2beta1Pipeline(display_name=name, name=name, namespace=namespace or None)
            pipeline_id = client.pipelines.pipeline_service_create_pipeline(pipeline=pipeline).pipeline_id
        version_name = f"{name}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S-%f}"
        version = quietly(client.upload_pipeline_version, str(package), version_name, pipeline_id=pipeline_id)
    return Version(pipeline_id, version.pipeline_version_id, version_name)


def start(
    client: kfp.Client,
    version: Version,
    experiment: str,
    parameters: Mapping[str, Any],
    schedule: Schedule | None = None,
    namespace: str = "",
    pipeline_root: str = "",
) -> str:
    """Starts a run of a version, or has one started by a schedule; returns the id of the run or of the recurring run.

    Args:
      client: The connection.
      version: What to run.
      experiment: Name of the experiment that the run belongs to.
      parameters: Those of the run.
      schedule: When, if not now.
      namespace: Of a multi-user installation.
      pipeline_root: Where artifacts go; empty for the installation's own. The backend reads it from the run alone, not from the
        pipeline.

    Raises:
      KubeflowError: The server refuses it.
    """
    with errors_in_words(_host(client)):
        home = quietly(client.create_experiment, experiment, namespace=namespace or None)
        common = {
            "experiment_id": home.experiment_id,
            "job_name": version.name,
            "params": dict(parameters),
            "pipeline_id": version.pipeline_id,
            "version_id": version.version_id,
            "pipeline_root": pipeline_root or None,
        }
        if schedule is None:
            return str(quietly(client.run_pipeline, **common).run_id)
        recurring = quietly(
            client.create_recurring_run,
            **common,
            interval_second=schedule.every_seconds,
            cron_expression=schedule.cron,
            # A run that was missed while the cluster was down is not made up for: the next one sees the same data.
            no_catchup=True,
            max_concurrency=1,
        )
        return str(recurring.recurring_run_id)


def follow(
    client: kfp.Client,
    run_id: str,
    names: Sequence[str],
    on_change: Callable[[Step], None],
    interval: float = 5.0,
    namespace: str = "",
) -> Followed:
    """Follows a run to its end.

    Args:
      client: The connection.
      run_id: The run.
      names: The steps of its pipeline.
      on_change: Called with a step that has changed.
      interval: Seconds from one look to the next.
      namespace: Of a multi-user installation.

    Raises:
      KubeflowError: The server refuses to speak of it, or has been away for minutes.
    """
    followed = Followed(steps=[Step(name) for name in names])
    heard = time.monotonic()
    while followed.state not in _ENDED:
        with errors_in_words(_host(client)):
            try:
                run = client.get_run(run_id)
                state = run.state or "PENDING"
                workflow = _workflow(client, run_id)
            except (urllib3.exceptions.HTTPError, ApiException) as error:
                away = not isinstance(error, ApiException) or error.status in (None, 429, 500, 502, 503, 504)
                if not away or time.monotonic() - heard > _PATIENCE_SECONDS:
                    raise
                time.sleep(interval)
                continue
        heard = time.monotonic()
        if workflow:
            steps = read_workflow(workflow, names, state in _ENDED)
        else:
            details = run.run_details.task_details if run.run_details else None
            steps = read_tasks(details or [], names, state in _ENDED)
        for before, now in zip(followed.steps, steps, strict=True):
            if (before.state, before.attempts, before.message) != (now.state, now.attempts, now.message):
                on_change(now)
        followed.steps, followed.state = steps, state
        if state not in _ENDED:
            time.sleep(interval)
    _explain(client, run_id, run, workflow, namespace, followed)
    return followed


def run_url(client: kfp.Client, run_id: str, kind: str = "runs") -> str:
    """Returns the page of a run (or, with `recurringrun`, of a recurring run)."""
    return f"{client._get_url_prefix()}/#/{kind}/details/{run_id}"


def read_package(package: Path) -> dict[str, Any]:
    """Returns the pipeline spec of a compiled pipeline.

    Raises:
      SettingsError: The file is none.
    """
    try:
        spec = next(yaml.safe_load_all(package.read_text()), None)
        if not isinstance(spec, dict) or not spec["pipelineInfo"]["name"] or not spec["root"]:
            raise KeyError
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        raise SettingsError(f"{package} is no compiled pipeline; make one with charseq kubeflow compile") from None
    return spec


def parse_parameters(spec: dict[str, Any], assignments: tuple[str, ...]) -> dict[str, Any]:
    """Returns the parameters of a run from `name=value`, as the types that a pipeline spec declares.

    Raises:
      SettingsError: One is not in the pipeline, or is no value of its type.
    """
    declared = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in declared:
            raise SettingsError(
                f"--param {assignment!r} is not name=value of {', '.join(sorted(declared)) or 'nothing'}"
            )
        kind = declared[name]["parameterType"]
        if kind == "STRING":
            values[name] = text
            continue
        try:
            values[name] = json.loads(text)
        except ValueError:
            raise SettingsError(f"--param {assignment!r}: {name} is a {kind}, given as JSON") from None
    return values


def step_names(spec: dict[str, Any]) -> list[str]:
    """Returns the steps of a pipeline spec, each after those whose outputs it takes."""
    waiting = {name: set(task.get("dependentTasks", ())) for name, task in spec["root"]["dag"]["tasks"].items()}
    return list(graphlib.TopologicalSorter(waiting).static_order())


def _workflow(client: kfp.Client, run_id: str) -> dict[str, Any]:
    """Returns the run's workflow; an empty one where the server has none, or its status is kept elsewhere."""
    try:
        answer = get(client, f"/apis/v1beta1/runs/{run_id}")
    except ApiException as error:
        if error.status in (404, 405, 501):
            return {}
        raise
    try:
        manifest = json.loads(answer.read())["pipeline_runtime"]["workflow_manifest"]
        workflow: dict[str, Any] = json.loads(manifest)
    except (ValueError, KeyError, TypeError):
        return {}
    return workflow if workflow.get("status", {}).get("nodes") else {}


def _explain(
    client: kfp.Client, run_id: str, run: Any, workflow: dict[str, Any], namespace: str, followed: Followed
) -> None:
    """Says why a run failed, or why it pushed no model."""
    if followed.state == "SUCCEEDED":
        followed.refused = refusals(followed.steps)
        return
    failed = [step for step in followed.steps if step.state == StepState.FAILED]
    if not failed:
        followed.error = (run.error.message if run.error else "") or workflow_message(workflow)
        return
    followed.error = "; ".join(_failure(step) for step in failed)
    place = str(workflow.get("metadata", {}).get("namespace") or namespace or client.get_user_namespace())
    followed.log = read_log_end(client, run_id, place, failed[0])


def _failure(step: Step) -> str:
    attempt = f" in attempt {step.attempts}" if step.attempts else ""
    return f"{step.name} failed{attempt}" + (f": {step.message}" if step.message else "")


def _find_pipeline(client: kfp.Client, name: str, namespace: str) -> str | None:
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    found = client.list_pipelines(filter=json.dumps({"predicates": [predicate]}), namespace=namespace or None).pipelines
    if found and len(found) > 1:
        raise KubeflowError(f"there are {len(found)} pipelines named {name}; give the namespace with --namespace")
    return str(found[0].pipeline_id) if found else None


def _host(client: kfp.Client) -> str:
    return str(client._existing_config.host)
