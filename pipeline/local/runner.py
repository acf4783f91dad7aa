"""The pipeline on this machine, component by component."""

import contextlib
import dataclasses
import datetime
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import data_types, launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import context_lib
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import Artifact

from components.files import sync_folder, sync_parents
from components.names import BASELINE
from pipeline.code_version import code_version
from pipeline.config.settings import Config
from pipeline.file_errors import is_disk_full
from pipeline.lineage import end_last_execution, is_cached, note_run
from pipeline.local.reserve import Reserve
from pipeline.memory_errors import OutOfMemoryError, is_out_of_memory
from pipeline.run_observer import RunObserver
from serving.contract.plain_names import plain_name


class ComponentFailedError(RuntimeError):
    """A component ended with an error.

    Attributes:
      component: Its name.
      cause: Its error.
    """

    kind = "component"
    meaning = "A component ended with an error. Components behind it have not run."
    remedy = "The message names the component and its error. Run again with `run.cache=true` when it is mended."

    def __init__(self, component: str, cause: Exception):
        super().__init__(f"{component} failed: {cause}")
        self.component = component
        self.cause = cause


class LocalRunner(LocalDagRunner):
    """TFX's local runner, which says what it is doing, and never takes what is served now from its cache.

    Attributes:
      run_id: Name of the run in ML Metadata.
      seconds: Time of each component that has run.
    """

    def __init__(
        self,
        observer: RunObserver | None = None,
        notes: Mapping[str, Any] | None = None,
        *,
        catch_interrupts: bool = True,
        reserve: Reserve | None = None,
    ):
        """Makes a runner.

        Args:
          observer: Is told what happens.
          notes: What to note of the run in ML Metadata, see `pipeline.lineage.note_run`.
          catch_interrupts: Whether Ctrl-C is caught with a signal handler: without one, callbacks of Beam and TensorFlow may
            swallow it. A program that calls this keeps its own handlers with False.
          reserve: Space that is given back when the disk is full.
        """
        super().__init__()
        self._catch_interrupts = catch_interrupts
        self._observer = observer or RunObserver()
        self._notes = dict(notes or {})
        self._reserve = reserve
        self.run_id = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S.%f")
        self.seconds: dict[str, float] = {}

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None) -> None:
        """Runs a compiled pipeline.

        Raises:
          ComponentFailedError: A component failed; those after it have not run.
          KeyboardInterrupt: It was interrupted; what the component made that was running is not taken for whole.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self.run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = deployment.metadata_connection_config
        if folder := os.path.dirname(connection.database_connection_config.sqlite.filename_uri):
            os.makedirs(folder, exist_ok=True)
        mlmd = metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config")))
        nodes = [node.pipeline_node for node in pipeline.nodes]
        with mlmd:  # before the first component, so that a run that is killed is known as well
            context_lib.prepare_contexts(mlmd, nodes[0].contexts)
            note_run(mlmd.store, self.run_id, self._notes)
        self._observer.on_plan([node.node_info.id for node in nodes])
        with _no_arguments(), _interrupts(self._catch_interrupts) as interrupted:
            for node in nodes:
                component = node.node_info.id
                if component == BASELINE:
                    node.execution_options.caching_options.enable_cache = False
                self._observer.on_start(component)
                began = time.monotonic()
                try:
                    cached = self._launch(pipeline, node, deployment, mlmd)
                    if interrupted.is_set():
                        raise KeyboardInterrupt
                except (Exception, KeyboardInterrupt) as error:
                    if interrupted.is_set() or isinstance(error, KeyboardInterrupt):
                        with mlmd:
                            end_last_execution(mlmd.store, self.run_id, "interrupted")
                            note_run(mlmd.store, self.run_id, {"interrupted": component})
                        raise KeyboardInterrupt from None
                    if self._reserve and is_disk_full(error):
                        self._reserve.release()
                        error = self._reserve.error()
                    elif is_out_of_memory(error):
                        error = OutOfMemoryError()
                    failed = ComponentFailedError(component, error)
                    self._observer.on_failed(component, str(error))
                    with mlmd:
                        # TFX has noted it too, if the disk had the space.
                        end_last_execution(mlmd.store, self.run_id, "failed")
                        note_run(mlmd.store, self.run_id, {"failure": str(failed)})
                    raise failed from error
                self.seconds[component] = time.monotonic() - began
                self._observer.on_done(component, self.seconds[component], cached)

    def _launch(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        deployment: pipeline_pb2.IntermediateDeploymentConfig,
        mlmd: metadata.Metadata,
    ) -> bool:
        """Runs a component; returns whether an earlier run's outputs were taken for it."""
        execution = _Launcher(
            pipeline_node=node,
            mlmd_connection=mlmd,
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node.node_info.id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node.node_info.id),
        ).launch()
        with mlmd:
            return is_cached(mlmd.store, execution.execution_id)


class _Launcher(launcher.Launcher):  # type: ignore[misc]
    """TFX's, for roots of any name, and for machines whose power fails.

    A component's outputs are on the disk before ML Metadata says that they are whole. The database writes through to the disk;
    TensorFlow and Beam do not. When the power fails a minute later, there would be outputs of a component that is done, with
    empty files in them, and the cache would take them.
    """

    def _run_executor(self, execution_info: data_types.ExecutionInfo) -> Any:
        root = self._pipeline_runtime_spec.pipeline_root.field_value.string_value
        os.makedirs(root, exist_ok=True)
        with plain_name(root) as plain:
            _readdress(execution_info, root, plain)
            try:
                output = super()._run_executor(execution_info)
            finally:
                _readdress(execution_info, plain, root)
        for artifacts in output.output_artifacts.values():
            for artifact in artifacts.artifacts:
                artifact.uri = _moved(artifact.uri, plain, root)
                for value in artifact.custom_properties.values():
                    if value.HasField("string_value"):
                        value.string_value = _moved(value.string_value, plain, root)
        return output

    def _publish_successful_execution(
        self,
        execution_id: int,
        contexts: list[Any],
        output_dict: Mapping[str, Sequence[Artifact]],
        executor_output: Any,
    ) -> None:
        for artifact in (artifact for artifacts in output_dict.values() for artifact in artifacts):
            if os.path.isdir(artifact.uri):
                sync_folder(artifact.uri)
                sync_parents(artifact.uri)
        super()._publish_successful_execution(execution_id, contexts, output_dict, executor_output)


def _readdress(info: data_types.ExecutionInfo, before: str, after: str) -> None:
    """Has what a component reads and writes lie in another folder."""
    for group in (info.input_dict, info.output_dict):
        for artifact in (artifact for artifacts in group.values() for artifact in artifacts):
            artifact.uri = _moved(artifact.uri, before, after)
    for name in ("execution_output_uri", "stateful_working_dir", "tmp_dir"):
        if address := getattr(info, name):
            setattr(info, name, _moved(address, before, after))


def _moved(address: str, before: str, after: str) -> str:
    return after + address.removeprefix(before) if address.startswith(f"{before}/") else address


@contextlib.contextmanager
def _no_arguments() -> Iterator[None]:
    """Hides this process's arguments, which are not TFX's: its executors parse them as flags of Beam and absl."""
    arguments = sys.argv
    sys.argv = arguments[:1]
    try:
        yield
    finally:
        sys.argv = arguments


@contextlib.contextmanager
def _interrupts(catch: bool) -> Iterator[threading.Event]:
    """Remembers that Ctrl-C was pressed, beside raising KeyboardInterrupt: Beam's and TensorFlow's callbacks swallow that."""
    interrupted = threading.Event()
    if not catch or threading.current_thread() is not threading.main_thread():  # other threads have no signals
        yield interrupted
        return

    def interrupt(number: int, frame: Any) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def run_notes(config: Config) -> dict[str, Any]:
    """Returns what a run by this code has to be known by."""
    return {"config": dataclasses.asdict(config), "code": code_version()}
