"""Submitting a compiled pipeline to Kubeflow, and following its run."""

import datetime
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kfp
import urllib3
import yaml
from kfp_server_api import ApiException, V2beta1Pipeline

from components.settings import SettingsError
from pipeline.kubeflow.client import KubeflowError, errors_in_words, quietly

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
      run_id: Its id.
      state: As Kubeflow calls it, such as SUCCEEDED.
      error: Why it failed; empty if it did not, or nothing was said.
      tasks: State of each step.
    """

    run_id: str
    state: str = "PENDING"
    error: str = ""
    tasks: dict[str, str] = field(default_factory=dict)


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
) -> str:
    """Starts a run of a version, or has one started by a schedule; returns the id of the run or of the recurring run.

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


def follow(client: kfp.Client, run_id: str, on_change: Callable[[str, str], None], interval: float = 5.0) -> Followed:
    """Follows a run to its end.

    Args:
      client: The connection.
      run_id: The run.
      on_change: Called with a step's name and its new state.
      interval: Seconds from one look to the next.

    Raises:
      KubeflowError: The server refuses to speak of it, or has been away for minutes.
    """
    followed = Followed(run_id)
    heard = time.monotonic()
    while followed.state not in _ENDED:
        with errors_in_words(_host(client)):
            try:
                run = client.get_run(run_id)
            except (urllib3.exceptions.HTTPError, ApiException) as error:
                away = not isinstance(error, ApiException) or error.status in (None, 429, 500, 502, 503, 504)
                if not away or time.monotonic() - heard > _PATIENCE_SECONDS:
                    raise
                time.sleep(interval)
                continue
        heard = time.monotonic()
        _note_tasks(run, followed, on_change)
        followed.state = run.state or "PENDING"
        if followed.state in _ENDED:
            followed.error = run.error.message if run.error else ""
        else:
            time.sleep(interval)
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


def _note_tasks(run: Any, followed: Followed, on_change: Callable[[str, str], None]) -> None:
    details = run.run_details.task_details if run.run_details else None
    for task in details or []:
        # Drivers and the graph's own nodes are Kubeflow's business.
        name, state = task.display_name or "", task.state or "PENDING"
        if not name or name == "root" or name.endswith("-driver") or "." in name:
            continue
        if name != "executor" and followed.tasks.get(name) != state:
            followed.tasks[name] = state
            on_change(name, state)


def _find_pipeline(client: kfp.Client, name: str, namespace: str) -> str | None:
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    found = client.list_pipelines(filter=json.dumps({"predicates": [predicate]}), namespace=namespace or None).pipelines
    if found and len(found) > 1:
        raise KubeflowError(f"there are {len(found)} pipelines named {name}; give the namespace with --namespace")
    return str(found[0].pipeline_id) if found else None


def _host(client: kfp.Client) -> str:
    return str(client._existing_config.host)
