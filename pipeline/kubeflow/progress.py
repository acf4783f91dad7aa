"""What has become of each step of a run.

Kubeflow's own answer about a run (v2beta1) lists the nodes of Argo's workflow by names that all steps share: `executor`,
`executor(0)`. It says neither which step an attempt belongs to, nor why it failed, nor what was taken from the cache. The
workflow itself says all of it, and the API server gives it out (v1beta1, `pipeline_runtime.workflow_manifest`).
"""

import enum
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class StepState(enum.StrEnum):
    """What a step is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes:
      name: Its name in the pipeline.
      state: What it is doing. A step that waits has not started, has no node yet, or waits for its next attempt.
      attempts: How many attempts there are so far; 0 if there is none, or none is known.
      message: What Argo or Kubernetes says of the last attempt, such as `Error (exit code 1)` or `Unschedulable: ...`.
      pod: Pod of the last attempt; empty if there is none.
      log_uri: Where the launcher puts the logs of its attempts, each with `-<number from 0>` appended; empty if it is unknown.
      given: Metadata of its input artifacts, by the input's name; empty if it is unknown.
    """

    name: str
    state: StepState = StepState.WAITING
    attempts: int = 0
    message: str = ""
    pod: str = ""
    log_uri: str = ""
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_FAILED = ("Failed", "Error")


def read_workflow(workflow: Mapping[str, Any], names: Sequence[str], ended: bool) -> list[Step]:
    """Returns the steps of a run from Argo's workflow.

    Args:
      workflow: The workflow, as Kubernetes has it.
      names: Names of the steps.
      ended: Whether the run has ended: what has not started by then never will.
    """
    nodes = {node["name"]: node for node in (workflow.get("status", {}).get("nodes") or {}).values()}
    return [_read_step(workflow["metadata"]["name"], nodes, name, ended) for name in names]


def read_tasks(tasks: Sequence[Any], names: Sequence[str], ended: bool) -> list[Step]:
    """Returns the steps of a run from Kubeflow's own list, where the workflow is not available.

    Args:
      tasks: `run_details.task_details` of the run.
      names: Names of the steps.
      ended: Whether the run has ended.
    """
    known = {
        "SUCCEEDED": StepState.DONE,
        "RUNNING": StepState.RUNNING,
        "SKIPPED": StepState.SKIPPED,
        "FAILED": StepState.FAILED,
        "CANCELED": StepState.FAILED,
    }
    unknown = StepState.SKIPPED if ended else StepState.WAITING
    states = {task.display_name: known.get(task.state or "", unknown) for task in tasks}
    return [Step(name, states.get(name, unknown)) for name in names]


def workflow_message(workflow: Mapping[str, Any]) -> str:
    """Returns what Argo says of a workflow that has failed, of its first node that says something."""
    status = workflow.get("status", {})
    nodes = (status.get("nodes") or {}).values()
    said = [
        f"{node['displayName']}: {node['message']}"
        for node in nodes
        if node.get("phase") in _FAILED and node.get("message")
    ]
    return str(status.get("message") or "") or next(iter(said), "")


def refusals(steps: Sequence[Step]) -> list[str]:
    """Returns why the model was not let through, a sentence each; none if it was, or if it is unknown.

    The step `pusher` gets the blessings of Evaluator and InfraValidator as inputs, with the reasons as metadata.
    """
    reasons: list[str] = []
    for step in steps:
        for name, metadata in step.given.items():
            if metadata.get("blessed") == 0:
                said = [*json.loads(metadata.get("reasons") or "[]"), *filter(None, [metadata.get("reason")])]
                reasons += said or [f"{name} is not blessed"]
    return reasons


def _read_step(workflow: str, nodes: Mapping[str, Mapping[str, Any]], name: str, ended: bool) -> Step:
    driver = nodes.get(f"{workflow}.root.{name}-driver", {})
    node = nodes.get(f"{workflow}.root.{name}", {})
    attempts = _attempts(nodes, f"{workflow}.root.{name}.executor")
    executor_input = _executor_input(driver)
    last = attempts[-1] if attempts else {}
    state, told = _state(driver, node, last, ended)
    outputs = executor_input.get("outputs", {}).get("artifacts", {})
    logs = outputs.get("executor-logs", {}).get("artifacts", [{}])[0]
    return Step(
        name=name,
        state=state,
        attempts=len(attempts),
        message=told.get("message") or "",
        pod=_pod_name(workflow, told) if told.get("type") == "Pod" else "",
        log_uri=logs.get("uri", ""),
        given={
            key: artifacts["artifacts"][0].get("metadata") or {}
            for key, artifacts in executor_input.get("inputs", {}).get("artifacts", {}).items()
            if artifacts.get("artifacts")
        },
    )


def _attempts(nodes: Mapping[str, Mapping[str, Any]], executor: str) -> list[Mapping[str, Any]]:
    """Returns the attempts of a step, in order; without retries its only one is the executor itself."""
    numbered = {
        int(found[1]): node
        for name, node in nodes.items()
        if (found := re.fullmatch(re.escape(executor) + r"\((\d+)\)", name))
    }
    if numbered:
        return [numbered[number] for number in sorted(numbered)]
    node = nodes.get(executor, {})
    return [node] if node.get("type") == "Pod" else []


def _state(
    driver: Mapping[str, Any], node: Mapping[str, Any], last: Mapping[str, Any], ended: bool
) -> tuple[StepState, Mapping[str, Any]]:
    """Returns a step's state, and the node that tells of it."""
    phase = node.get("phase")
    if driver.get("phase") in _FAILED:
        return StepState.FAILED, driver
    if phase in _FAILED:
        return StepState.FAILED, last or node
    if phase == "Succeeded":
        return (StepState.CACHED if _output(driver, "cached-decision") == "true" else StepState.DONE), {}
    if phase in ("Omitted", "Skipped") or ended:
        return StepState.SKIPPED, {}
    if last.get("phase") == "Running":
        return StepState.RUNNING, last
    return StepState.WAITING, last


def _output(node: Mapping[str, Any], name: str) -> str:
    for parameter in (node.get("outputs") or {}).get("parameters") or []:
        if parameter.get("name") == name:
            return str(parameter.get("value") or "")
    return ""


def _executor_input(driver: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the driver hands to the launcher; it is an argument in the pod that it asks for."""
    patch = _output(driver, "pod-spec-patch")
    if not patch:
        return {}
    command = [*json.loads(patch)["containers"][0].get("command", [])]
    if "--executor_input" not in command:
        return {}
    return dict(json.loads(command[command.index("--executor_input") + 1]))


def _pod_name(workflow: str, node: Mapping[str, Any]) -> str:
    """Returns the name of a node's pod, as Argo makes it since 3.4."""
    return f"{workflow}-{node['templateName']}-{node['id'].rpartition('-')[2]}"
