"""The status of a run as Argo and Kubeflow's API server give it out.

From backend/src/v2/compiler/argocompiler (names of nodes and templates), backend/src/apiserver/server/api_converter.go and
backend/src/common/util/workflow.go (`NodeStatuses`, `RetrievePodName`) of kubeflow/pipelines 2.17.0, and from Argo 3.7's names
of nodes (`FNV-1a` of a node's full name).
"""

import json
from typing import Any

NAMESPACE = "kubeflow"


def node_hash(name: str) -> str:
    """Returns the number that Argo makes of a node's name."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return str(value)


def workflow(name: str, look: dict[str, Any], steps: list[str], run_root: str) -> dict[str, Any]:
    """Returns Argo's workflow.

    Args:
      name: Its name.
      look: `state` of the run, and `steps`: of each that has nodes how it is doing, a string or an object with `is`, and
        `attempts` (phases), `message` and `given` (metadata of inputs).
      steps: All steps, in order.
      run_root: Where the run's artifacts go.
    """
    phase = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "RUNNING": "Running", "CANCELED": "Failed"}.get(
        look["state"], "Pending"
    )
    nodes: list[dict[str, Any]] = []

    def add(path: str, kind: str, phase: str, template: str, **more: Any) -> None:
        nodes.append(
            {
                "id": name if path == name else f"{name}-{node_hash(path)}",
                "name": path,
                "displayName": path.rpartition(".")[2],
                "type": kind,
                "phase": phase,
                "templateName": template,
                "startedAt": "2026-11-01T00:00:00Z",
                "finishedAt": None if phase in ("Running", "Pending") else "2026-11-01T00:01:00Z",
                **more,
            }
        )

    add(name, "DAG", phase, "entrypoint")
    if look["state"] != "PENDING":
        add(f"{name}.root-driver", "Pod", "Succeeded", "system-dag-driver")
        add(f"{name}.root", "DAG", phase, "root")
    for step in steps:
        given = look.get("steps", {}).get(step)
        if given is not None:
            _add_step(add, f"{name}.root.{step}", given if isinstance(given, dict) else {"is": given}, run_root)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "status": {"phase": phase, "nodes": {node["id"]: node for node in nodes}},
    }


def _add_step(add: Any, path: str, given: dict[str, Any], run_root: str) -> None:
    how, message = given["is"], given.get("message", "")
    step = path.rpartition(".")[2]
    if how == "omitted":
        for suffix in ("-driver", ""):
            add(path + suffix, "Skipped", "Omitted", "", message="omitted: depends condition not met")
        return
    if how in ("driving", "driver failed"):
        phase = "Running" if how == "driving" else "Error"
        add(f"{path}-driver", "Pod", phase, "system-container-driver", message=message)
        if how == "driver failed":
            add(path, "Skipped", "Omitted", "", message="omitted: depends condition not met")
        return
    cached = how == "cached"
    patch = "" if cached else json.dumps({"containers": [{"command": _launcher(step, given, run_root)}]})
    outputs = [{"name": "pod-spec-patch", "value": patch}, {"name": "cached-decision", "value": str(cached).lower()}]
    add(f"{path}-driver", "Pod", "Succeeded", "system-container-driver", outputs={"parameters": outputs})
    phases = given.get("attempts") or {"done": ["Succeeded"], "running": ["Running"], "failed": ["Failed"] * 3}.get(
        how, []
    )
    phase = {"done": "Succeeded", "cached": "Succeeded", "failed": "Failed"}.get(how, "Running")
    add(path, "DAG", phase, "retry-system-container-executor")
    if cached:
        skipped = "when 'true != true' evaluated false"
        add(f"{path}.executor", "Skipped", "Skipped", "retry-system-container-impl", message=skipped)
        return
    add(
        f"{path}.executor",
        "Retry",
        phase,
        "retry-system-container-impl",
        message="No more retries left" if how == "failed" else "",
    )
    for number, attempt in enumerate(phases):
        said = (
            (message or "Error (exit code 1)") if attempt == "Failed" else message if number == len(phases) - 1 else ""
        )
        add(f"{path}.executor({number})", "Pod", attempt, "retry-system-container-impl", message=said)


def _launcher(step: str, given: dict[str, Any], run_root: str) -> list[str]:
    """Returns the launcher's command, as the driver writes it."""

    def artifact(name: str, uri: str, **more: Any) -> dict[str, Any]:
        return {name: {"artifacts": [{"name": name, "uri": uri, **more}]}}

    inputs = {}
    for name, metadata in given.get("given", {}).items():
        inputs |= artifact(name, f"{run_root}/earlier/0/{name}", metadata=metadata)
    outputs = artifact("executor-logs", f"{run_root}/{step}/0/executor-logs", type={"schemaTitle": "system.Artifact"})
    executor_input = {"inputs": {"artifacts": inputs}, "outputs": {"artifacts": outputs}}
    return ["/kfp-launcher/launch", "--executor_input", json.dumps(executor_input), "--component_spec", "{}"]


def task_details(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the tasks of a run in Kubeflow's own answer: every node, by its display name; what never ran has a null state."""
    states = {"Succeeded": "SUCCEEDED", "Running": "RUNNING", "Pending": "PENDING", "Skipped": "SKIPPED"}
    states |= {"Failed": "FAILED", "Error": "FAILED"}
    return [
        {"task_id": f"uuid-{number}", "display_name": node["displayName"], "state": states.get(node["phase"])}
        for number, node in enumerate(manifest["status"]["nodes"].values())
    ]


def pod_name(manifest: dict[str, Any], step: str, attempt: int) -> str:
    """Returns the name of the pod of an attempt."""
    name = manifest["metadata"]["name"]
    path = f"{name}.root.{step}.executor({attempt})"
    return f"{name}-retry-system-container-impl-{node_hash(path)}"
