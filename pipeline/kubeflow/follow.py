"""Following a run of a pipeline to its end."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import kfp
import urllib3
from kfp_server_api import ApiException

from pipeline.kubeflow.client import errors_in_words, get, host_of
from pipeline.kubeflow.logs import read_log_end
from pipeline.kubeflow.progress import Step, StepState, read_tasks, read_workflow, refusals, workflow_message

_ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}

# How long the server may be away while a run is followed: it is restarted, say, or a laptop sleeps.
_PATIENCE_SECONDS = 300.0


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
      namespace: Namespace in a multi-user installation.

    Raises:
      KubeflowError: The server refuses to speak of it, or has been away for minutes.
    """
    followed = Followed(steps=[Step(name) for name in names])
    heard = time.monotonic()
    while followed.state not in _ENDED:
        with errors_in_words(host_of(client)):
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
