"""What a step's container runs: a TFX executor, on the copies of artifacts that Kubeflow's launcher keeps.

TFX's own entry point opens the artifact URIs themselves (TensorFlow cannot open s3:// and minio://), and reads the type of an
artifact from the ExecutorInput, where open-source Kubeflow leaves it empty for inputs. It also imports every library of every
component. This one imports what the executor needs.
"""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from components.settings import SettingsError
from pipeline.kubeflow.local_paths import ArtifactUriError, LocalPaths
from pipeline.kubeflow.parameters import PREFIX, SETTINGS
from pipeline.local.imports import importing

_LOG = logging.getLogger("charseq.kubeflow")


def main(argv: Sequence[str]) -> int:
    """Runs a step.

    Args:
      argv: The container's arguments: TFX's by the names of its own entry point, ours, and Beam's.

    Returns:
      Exit status: 0, or 2 if the run's parameters cannot be used. An executor that fails raises.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    args, beam_args = _parse(argv)
    executor_input = json_format.Parse(
        args.json_serialized_invocation_args, pipeline_spec_pb2.ExecutorInput(), ignore_unknown_fields=True
    )
    inputs_spec = json_format.Parse(args.json_serialized_inputs_spec_args, pipeline_spec_pb2.ComponentInputsSpec())
    settings = _take_parameters(executor_input).get(SETTINGS, "")
    if settings:
        with importing():  # only then: it imports every component
            from pipeline.kubeflow.graph import places_of
            from pipeline.kubeflow.rebuild import rebuild_parameters

        try:
            parameters = rebuild_parameters(args.step, args.task, places_of(args.root, args.serving_dir), settings)
        except SettingsError as error:
            print(f"Error: the run's parameter `{SETTINGS}`: {error}", file=sys.stderr)
            return 2
        for name, value in parameters.items():
            executor_input.inputs.parameter_values[name].CopyFrom(value)
    for name in set(executor_input.outputs.artifacts) - set(args.outputs.split(",")):
        # Kubeflow's own, such as the log (`executor-logs`): the launcher writes and uploads it.
        del executor_input.outputs.artifacts[name]
    _run(args.executor_class_path, executor_input, inputs_spec, beam_args, LocalPaths(args.artifact_root))
    return 0


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m pipeline.kubeflow.entrypoint", allow_abbrev=False)
    parser.add_argument("--artifact_root", default="/", help="folder under which the launcher keeps its copies")
    for name in ("executor_class_path", "json_serialized_invocation_args", "json_serialized_inputs_spec_args"):
        parser.add_argument(f"--{name}", required=True, help="as for TFX's entry point")
    parser.add_argument("--outputs", required=True, help="names of the executor's outputs, separated by commas")
    parser.add_argument("--step", default="", help="name of the step")
    parser.add_argument("--task", default="", help="name of the task, or JSON of its configuration")
    parser.add_argument("--root", default="", help="folder of checkpoints")
    parser.add_argument("--serving_dir", default="", help="folder of pushed models")
    return parser.parse_known_args(argv)


def _take_parameters(executor_input: pipeline_spec_pb2.ExecutorInput) -> dict[str, str]:
    """Takes the run's own parameters out of the step's, which then are the executor's alone."""
    values = executor_input.inputs.parameter_values
    taken = {name: values[name].string_value for name in list(values) if name.startswith(PREFIX)}
    for name in taken:
        del values[name]
    return {name.removeprefix(PREFIX): value for name, value in taken.items()}


def _run(
    executor_class_path: str,
    executor_input: pipeline_spec_pb2.ExecutorInput,
    inputs_spec: pipeline_spec_pb2.ComponentInputsSpec,
    beam_args: list[str],
    paths: LocalPaths,
) -> None:
    with importing():
        from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
        from tfx.dsl.components.base.base_executor import BaseExecutor
        from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils as tfx_utils
        from tfx.orchestration.portable import outputs_utils
        from tfx.utils import import_utils

        executor_class = import_utils.import_class_by_path(executor_class_path)
    for name, artifacts in executor_input.inputs.artifacts.items():
        for artifact in artifacts.artifacts:
            artifact.uri = paths.to_path(artifact.uri)
            if not artifact.type.schema_title and not artifact.type.instance_schema:
                artifact.type.CopyFrom(inputs_spec.artifacts[name].artifact_type)
    for artifacts in executor_input.outputs.artifacts.values():
        for artifact in artifacts.artifacts:
            artifact.uri = paths.to_path(artifact.uri)
    names: dict[int, str] = {}
    inputs = tfx_utils.parse_raw_artifact_dict(executor_input.inputs.artifacts, names)
    outputs = tfx_utils.parse_raw_artifact_dict(executor_input.outputs.artifacts, names)
    exec_properties = tfx_utils.parse_execution_properties(executor_input.inputs.parameter_values, {}, inputs_spec)
    _LOG.info("%s: inputs %s, outputs %s", executor_class_path, _uris(inputs), _uris(outputs))

    output_file = executor_input.outputs.output_file
    context: dict[str, Any] = {
        "unique_id": os.path.basename(os.path.dirname(output_file)),
        "tmp_dir": os.path.join(os.path.dirname(output_file), ".temp"),
    }
    if issubclass(executor_class, BaseBeamExecutor):
        executor = executor_class(BaseBeamExecutor.Context(beam_pipeline_args=beam_args, **context))
    else:
        executor = executor_class(BaseExecutor.Context(extra_flags=beam_args, **context))
    executor.Do(inputs, outputs, exec_properties)

    outputs_utils.tag_output_artifacts_with_version(outputs)
    executor_output = pipeline_spec_pb2.ExecutorOutput()
    for name, artifacts in tfx_utils.translate_executor_output(outputs, names).items():
        for artifact in artifacts.artifacts:
            artifact.uri = paths.to_uri(artifact.uri)
            _tidy_properties(artifact, paths)
        executor_output.artifacts[name].CopyFrom(artifacts)
    os.makedirs(os.path.dirname(output_file), exist_ok=True)
    with open(output_file, "w") as file:
        file.write(json_format.MessageToJson(executor_output))


def _tidy_properties(artifact: pipeline_spec_pb2.RuntimeArtifact, paths: LocalPaths) -> None:
    """Removes properties without a value, on which Kubeflow's backend fails, and has those that name a copy name its URI."""
    for name, value in list(artifact.metadata.fields.items()):
        if value.WhichOneof("kind") == "null_value":
            del artifact.metadata.fields[name]
        elif value.string_value:
            with contextlib.suppress(ArtifactUriError):
                value.string_value = paths.to_uri(value.string_value)


def _uris(artifacts: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {name: [artifact.uri for artifact in values] for name, values in artifacts.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
