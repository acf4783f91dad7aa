"""Artifacts where every worker of a cluster sees them, while its job runs."""

import contextlib
import os
import uuid
from collections.abc import Iterator

import tensorflow as tf
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from tfx.types import Artifact

from components.executor import Artifacts
from components.files import copy_folder


@contextlib.contextmanager
def shared_artifacts(beam_args: list[str], inputs: Artifacts, outputs: Artifacts) -> Iterator[None]:
    """Has artifacts lie under Beam's `--temp_location`, and outputs back in their place when all went well.

    Without that argument they stay where they are. With it they need not be where workers see them: on Kubeflow, for one, they
    are copies in the step's own pod.

    Args:
      beam_args: Beam's arguments.
      inputs: Artifacts that the job reads; their addresses are others within the context.
      outputs: Artifacts that it writes, by name.
    """
    place = PipelineOptions(beam_args).view_as(GoogleCloudOptions).temp_location
    if not place:
        yield
        return
    folder = os.path.join(place, f"charseq-{uuid.uuid4().hex}")
    homes: list[tuple[Artifact, str]] = []
    try:
        for kind, artifacts in (("input", inputs), ("output", outputs)):
            for artifact in (artifact for name in sorted(artifacts) for artifact in artifacts[name]):
                copy = os.path.join(folder, kind, str(len(homes)))
                if kind == "input":
                    copy_folder(artifact.uri, copy)
                else:
                    tf.io.gfile.makedirs(copy)
                homes.append((artifact, artifact.uri))
                artifact.uri = copy
        yield
        written = [artifact for artifacts in outputs.values() for artifact in artifacts]
        for artifact, home in homes:
            if any(artifact is one for one in written):
                copy_folder(artifact.uri, home)
    finally:
        for artifact, home in homes:
            artifact.uri = home
        if tf.io.gfile.exists(folder):
            tf.io.gfile.rmtree(folder)
