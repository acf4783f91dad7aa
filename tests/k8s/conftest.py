"""The manifests as kubectl renders them."""

import copy
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"

# Each folder that is applied, and those of them that run TensorFlow Serving in Deployments of ours.
OVERLAYS = ("overlays/cpu", "overlays/gpu", "overlays/canary")
APPLIED = (*OVERLAYS, "overlays/kserve", "tools", "training", "flink", "kind/tools", "kind/serving")

# Wherever a pod is described, by kind.
_POD_PATHS = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "InferenceService": ("spec", "predictor"),
    "TFJob": ("spec", "tfReplicaSpecs", "Worker", "template", "spec"),
}


@pytest.fixture(scope="session")
def rendered():
    """Returns the objects of a folder below k8s/."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl, which renders the overlays, is not installed here")
    cache = {}

    def render(folder):
        if folder not in cache:
            command = ["kubectl", "kustomize", str(K8S / folder)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            cache[folder] = list(yaml.safe_load_all(text))
        return cache[folder]

    return render


def pods(objects):
    """Returns name and pod spec of everything that makes pods."""
    found = []
    for item in objects:
        if path := _POD_PATHS.get(item["kind"]):
            spec = item
            for key in path:
                spec = spec[key]
            found.append((item["metadata"]["name"], spec))
        if item["kind"] == "FlinkDeployment":
            found += [(role, _flink_pod(item["spec"], role)) for role in ("jobManager", "taskManager")]
    return found


def _flink_pod(deployment, role):
    """A Flink pod as the operator makes it of the template: image and resources are of the deployment."""
    spec = copy.deepcopy(deployment[role]["podTemplate"]["spec"])
    main = named(spec["containers"], "flink-main-container")
    resource = {name: str(value) for name, value in deployment[role]["resource"].items()}
    main |= {"image": deployment["image"], "resources": {"requests": resource, "limits": resource}}
    return spec


def containers(spec):
    """Returns the containers of a pod, KServe's model among them."""
    if "model" in spec:
        return [spec["model"] | {"name": "model"}]
    return [*spec.get("initContainers", []), *spec["containers"]]


def of_kind(objects, kind):
    return [item for item in objects if item["kind"] == kind]


def named(items, name):
    (item,) = (item for item in items if item.get("metadata", item)["name"] == name)
    return item
