"""A step's own parameters for a run that changes settings."""

import shlex

from google.protobuf import struct_pb2
from tfx.orchestration.kubeflow.v2 import compiler_utils

from components.settings import SettingsError
from pipeline.config.task_files import find_portable_task
from pipeline.families import find_family
from pipeline.kubeflow.graph import build_graph
from pipeline.places import Places


def rebuild_parameters(step: str, task: str, places: Places, settings: str) -> dict[str, struct_pb2.Value]:
    """Returns the parameters of a step as they would be, had the pipeline been compiled with other settings.

    Built again from the configuration, because one setting may end in the parameters of several steps.

    Args:
      step: Name of the step.
      task: What `pipeline.config.task_files.portable_task` returned for the task.
      places: Where the pipeline keeps things on the cluster.
      settings: All that is set, separated by spaces, such as `train.epochs=5 gate.exact_match=0.9`.

    Raises:
      SettingsError: A setting cannot be used, or cannot be changed by a run.
    """
    assignments = tuple(shlex.split(settings))
    task_config = find_portable_task(task, [a for a in assignments if a.startswith("data.")])
    config = find_portable_task(task, assignments)
    if (config.beam, config.run) != (task_config.beam, task_config.run):
        raise SettingsError(
            "beam.* and run.* are part of the compiled pipeline and not of its steps' parameters; compile it again with --set"
        )
    graph = build_graph(find_family(config.family).settle(config), places)
    for component in graph.components:
        if component.id == step:
            values = {name: value for name, value in component.exec_properties.items() if value is not None}
            return {name: compiler_utils.value_converter(value).constant for name, value in values.items()}
    raise SettingsError(f"with {settings!r} the pipeline has no step {step!r}; compile it again with --set")
