"""Compiling a batch prediction for open-source Kubeflow Pipelines 2: one step that runs `charseq predict`."""

from collections.abc import Sequence

import yaml
from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from components.settings import SettingsError
from pipeline.kubeflow.graph import step_name
from pipeline.kubeflow.platform import platform_spec
from pipeline.kubeflow.settings import KubeflowSettings
from pipeline.kubeflow.steps import set_resources, set_retries_and_cache

_STEP = "predict"
_SCHEMA_VERSION = "2.1.0"
_STRING = pipeline_spec_pb2.ParameterType.STRING

# The run's parameters: what is read, and where the answers go.
_PARAMETERS = {"input": "the table whose rows are asked", "output": "the table with the answers"}


def compile_prediction(
    model: str, input_path: str, output: str, options: Sequence[str], settings: KubeflowSettings
) -> str:
    """Returns a pipeline that answers every row of a table: the pipeline spec and the platform spec, two YAML documents.

    The model is the version that a server would answer with when the step runs. A step that is tried again goes on from the
    journal beside the output.

    Args:
      model: Name of the pushed model.
      input_path: The table, in the volume or in a bucket; a run may name another.
      output: The table with the answers; a run may name another.
      options: What else `charseq predict` is told.
      settings: How it runs on the cluster.

    Raises:
      SettingsError: No step sees a path.
    """
    for option, path in (("--input", input_path), ("--output", output)):
        if not path.startswith("/") and "://" not in path:
            raise SettingsError(
                f"{option} {path}: a step sees the volume and buckets; name a path such as {settings.mount}/names.csv"
            )
    if "://" in settings.models:
        raise SettingsError(
            f"kubeflow.serving_dir is {settings.models}; a batch prediction loads the model from the volume: leave it empty"
        )
    spec = pipeline_spec_pb2.PipelineSpec(schema_version=_SCHEMA_VERSION, default_pipeline_root=settings.pipeline_root)
    spec.pipeline_info.name = f"predict-{step_name(model)}"
    spec.pipeline_info.description = f"Asks the model {model} about every row of a table."
    component, task = spec.components[_STEP], spec.root.dag.tasks[_STEP]
    component.executor_label = f"{_STEP}_executor"
    task.task_info.name = task.component_ref.name = _STEP
    set_retries_and_cache(task, settings)
    task.caching_options.enable_cache = False  # what the files have in them may have changed
    for (name, description), default in zip(_PARAMETERS.items(), (input_path, output), strict=True):
        declared = spec.root.input_definitions.parameters[name]
        declared.parameter_type, declared.description, declared.is_optional = _STRING, description, True
        declared.default_value.CopyFrom(struct_pb2.Value(string_value=default))
        component.input_definitions.parameters[name].parameter_type = _STRING
        task.inputs.parameters[name].component_input_parameter = name
    deployment = pipeline_spec_pb2.PipelineDeploymentConfig()
    container = deployment.executors[component.executor_label].container
    container.image = settings.image
    container.command.extend(["python", "-m", "pipeline.cli", "predict"])
    container.args.extend(["--model-dir", f"{settings.models}/{model}", *options])
    for name in _PARAMETERS:
        container.args.extend([f"--{name}", "{{$.inputs.parameters['" + name + "']}}"])
    set_resources(container.resources, _STEP, False, settings)
    spec.deployment_spec.update(json_format.MessageToDict(deployment))
    documents = [json_format.MessageToDict(spec), platform_spec(spec, (), settings)]
    return str(yaml.safe_dump_all(documents, sort_keys=True))
