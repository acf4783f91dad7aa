"""The graph of `create_pipeline` as a step on Kubeflow sees it."""

import re

from tfx.orchestration.pipeline import Pipeline

from components.settings import SettingsError
from pipeline.config.settings import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.kubeflow.settings import KubeflowSettings
from pipeline.places import Places

# Kubeflow makes names of Argo templates and pods of a step's name.
STEP_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

# The image's own: the server that is installed where the pipeline is compiled says nothing about the one in the image.
_SERVER_COMMAND = ("python", "-m", "serving")

# Without a volume a training that is tried again starts over.
_SCRATCH = "/tmp/charseq"  # noqa: S108 (the pod's own)


def cluster_places(settings: KubeflowSettings) -> Places:
    """Returns where the pipeline keeps things on the cluster."""
    return places_of(settings.mount if settings.claim else _SCRATCH, settings.models)


def places_of(root: str, serving_dir: str) -> Places:
    """Returns the places of a step, with the image's own model server."""
    return Places(root, serving_dir, _SERVER_COMMAND)


def build_graph(config: Config, places: Places) -> Pipeline:
    """Returns the pipeline of a task with its nodes named as Kubeflow's steps."""
    pipeline = create_pipeline(config, places)
    for component in pipeline.components:
        component.with_id(step_name(component.id))
    return pipeline


def step_name(component_id: str) -> str:
    """Returns the name of a component's step: `SumsExampleGen` is `sums-example-gen`.

    Raises:
      SettingsError: It would be no name of a Kubernetes object.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", component_id)
    name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not STEP_NAME.fullmatch(name):
        raise SettingsError(
            f"component {component_id!r} has no name that Kubernetes accepts; rename it by with_id(...)"
        )
    return name
