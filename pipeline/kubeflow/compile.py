"""Compiling a task's pipeline for open-source Kubeflow Pipelines 2."""

import os
from collections.abc import Sequence
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig

from components.settings import SettingsError
from pipeline.config.task_files import load_task, portable_task, relative_paths
from pipeline.families import find_family
from pipeline.kubeflow import parameters
from pipeline.kubeflow.graph import build_graph, cluster_places
from pipeline.kubeflow.platform import platform_spec
from pipeline.kubeflow.settings import KubeflowSettings
from pipeline.kubeflow.steps import set_resources, set_retries_and_cache

_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_ENTRYPOINT = "pipeline.kubeflow.entrypoint"


def compile_pipeline(task: str, assignments: Sequence[str], settings: KubeflowSettings) -> str:
    """Returns the pipeline of a task as Kubeflow reads it: the pipeline spec and the platform spec, two YAML documents.

    Args:
      task: Name of the task, or path of its file. What the file says travels with the pipeline.
      assignments: What is set on top of it, each `section.field=value`.
      settings: How it runs on the cluster.

    Raises:
      SettingsError: A setting cannot be used.
    """
    config = load_task(task, assignments)
    config = find_family(config.family).settle(config)
    if config.task != config.task.lower():
        raise SettingsError(
            f"name is {config.task!r}; a pipeline of Kubeflow has small letters alone: name = {config.task.lower()!r}"
        )
    for setting, path in relative_paths(config):
        raise SettingsError(
            f"{setting} is {path!r}, which is somewhere else in the pods of the pipeline; give the path that the data has in "
            f"every step, such as {settings.mount}/{os.path.basename(path)} in the volume, or an address of an object store"
        )
    if config.browser.export and not config.browser.tools:
        raise SettingsError(
            "browser.export: the image has no TensorFlow.js; leave it out, or add it and name its folder: browser.tools"
        )
    if config.beam.runner != "local" and not config.beam.temp_location:
        raise SettingsError(
            f"beam.runner={config.beam.runner} on Kubeflow needs beam.temp_location, a folder that every worker sees, such as "
            f"{settings.mount}/beam in the volume: artifacts lie in each step's own pod"
        )
    places = cluster_places(settings)
    graph = build_graph(config, places)
    steps = [component.id for component in graph.components]
    for name in [entry.partition(":")[0] for entry in settings.resources if entry not in KubeflowSettings.resources]:
        if name not in steps:
            raise SettingsError(f"kubeflow.resources: there is no step {name!r}; there are {', '.join(steps)}")
    accelerated = [step for step in steps if step in settings.accelerated]

    image = {step: settings.accelerated_image for step in accelerated if settings.accelerated_image}
    command = ["python", "-m", _ENTRYPOINT]
    if settings.artifact_root != "/":
        command.append(f"--artifact_root={settings.artifact_root}")
    runner_config = KubeflowV2DagRunnerConfig(
        default_image=image | {"default_image_path": settings.image},
        default_commands=command,
        use_pipeline_spec_2_1=True,
    )
    job = KubeflowV2DagRunner(runner_config).run(graph, write_out=False)
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    spec.pipeline_info.description = config.summary
    spec.default_pipeline_root = settings.pipeline_root
    parameters.declare_parameters(spec, settings, assignments)

    deployment = json_format.ParseDict(
        json_format.MessageToDict(spec.deployment_spec), pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    entrypoint_args = [
        f"--task={portable_task(task, assignments)}",
        f"--root={places.root}",
        f"--serving_dir={places.serving_dir}",
    ]
    for step in steps:
        _use_image_paths(spec.root.dag.tasks[step], settings.app_dir)
        set_retries_and_cache(spec.root.dag.tasks[step], settings)
        executor = deployment.executors[spec.components[step].executor_label]
        if executor.WhichOneof("spec") != "container":
            continue
        set_resources(executor.container.resources, step, step in accelerated, settings)
        outputs = ",".join(sorted(spec.components[step].output_definitions.artifacts))
        executor.container.args.extend([f"--step={step}", f"--outputs={outputs}", *entrypoint_args])
        parameters.pass_parameter(spec, step, parameters.SETTINGS)
        if step in accelerated:
            parameters.pass_parameter(spec, step, parameters.ACCELERATOR_TYPE)
            parameters.pass_parameter(spec, step, parameters.ACCELERATOR_COUNT)
    spec.deployment_spec.Clear()
    spec.deployment_spec.update(json_format.MessageToDict(deployment))
    documents: list[dict[str, Any]] = [json_format.MessageToDict(spec)]
    documents.append(platform_spec(spec, accelerated, settings))
    return str(yaml.safe_dump_all(documents, sort_keys=True))


def _use_image_paths(task: pipeline_spec_pb2.PipelineTaskSpec, app_dir: str) -> None:
    """Has files of this checkout, such as the schema, found where they lie in the image."""
    for parameter in task.inputs.parameters.values():
        constant = parameter.runtime_value.constant
        if constant.string_value.startswith(_CHECKOUT + os.sep):
            constant.string_value = os.path.join(app_dir, os.path.relpath(constant.string_value, _CHECKOUT))
