"""Submitting a compiled pipeline to Kubeflow."""

import datetime
import graphlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp
import yaml
from kfp_server_api import V2beta1Pipeline

from components.settings import SettingsError
from pipeline.kubeflow.client import KubeflowError, errors_in_words, host_of, pages_of, quietly


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


def upload(client: kfp.Client, package: Path, name: str, namespace: str = "") -> Version:
    """Uploads a compiled pipeline as a new version of the pipeline `name`, which is made if there is none.

    Raises:
      KubeflowError: The server refuses it.
    """
    with errors_in_words(host_of(client)):
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
      namespace: Namespace in a multi-user installation.
      pipeline_root: Where artifacts go; empty for the installation's own. The backend reads it from the run alone, not from the
        pipeline.

    Raises:
      KubeflowError: The server refuses it.
    """
    with errors_in_words(host_of(client)):
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


def run_url(client: kfp.Client, run_id: str, kind: str = "runs") -> str:
    """Returns the page of a run (or, with `recurringrun`, of a recurring run)."""
    return f"{pages_of(client)}/#/{kind}/details/{run_id}"


def read_package(package: Path) -> dict[str, Any]:
    """Returns the pipeline spec of a compiled pipeline.

    Raises:
      SettingsError: The file is not a compiled pipeline.
    """
    try:
        spec = next(yaml.safe_load_all(package.read_text()), None)
        if not isinstance(spec, dict) or not spec["pipelineInfo"]["name"] or not spec["root"]:
            raise KeyError
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        raise SettingsError(f"{package} is not a compiled pipeline; make one with charseq kubeflow compile") from None
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


def _find_pipeline(client: kfp.Client, name: str, namespace: str) -> str | None:
    predicate = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    found = client.list_pipelines(filter=json.dumps({"predicates": [predicate]}), namespace=namespace or None).pipelines
    if found and len(found) > 1:
        raise KubeflowError(f"there are {len(found)} pipelines named {name}; give the namespace with --namespace")
    return str(found[0].pipeline_id) if found else None
