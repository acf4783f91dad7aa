"""The pipeline on this machine, component by component.

Also the file that TFX's own command reads:
  tfx pipeline create --engine=local --pipeline_path=pipeline/local_runner.py
  tfx run create --engine=local --pipeline_name=sums
"""

import datetime
import time
from collections.abc import Callable

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from components.baseline.component import Baseline
from pipeline.create_pipeline import create_pipeline
from pipeline.places import DEFAULT_TASK, Places
from pipeline.tasks import find_task


class ComponentFailedError(RuntimeError):
    """A component ended with an error.

    Attributes:
      component: Its name.
      cause: Its error.
    """

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
        on_start: Callable[[str], None] = lambda component: None,
        on_done: Callable[[str, float], None] = lambda component, seconds: None,
    ):
        """Makes a runner.

        Args:
          on_start: Called with a component's name before it runs.
          on_done: Called with a component's name and seconds when it has run.
        """
        super().__init__()
        self._on_start = on_start
        self._on_done = on_done
        self.run_id = datetime.datetime.now().strftime("%Y-%m-%dT%H-%M-%S.%f")
        self.seconds: dict[str, float] = {}

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None) -> None:
        """Runs a compiled pipeline.

        Raises:
          ComponentFailedError: A component failed; those after it have not run.
        """
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self.run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = deployment.metadata_connection_config
        for node in (node.pipeline_node for node in pipeline.nodes):
            component = node.node_info.id
            if component == Baseline.__name__:
                node.execution_options.caching_options.enable_cache = False
            self._on_start(component)
            began = time.monotonic()
            try:
                launcher.Launcher(
                    pipeline_node=node,
                    mlmd_connection=metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config"))),
                    pipeline_info=pipeline.pipeline_info,
                    pipeline_runtime_spec=pipeline.runtime_spec,
                    executor_spec=runner_utils.extract_executor_spec(deployment, component),
                    custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, component),
                ).launch()
            except Exception as error:
                raise ComponentFailedError(component, error) from error
            self.seconds[component] = time.monotonic() - began
            self._on_done(component, self.seconds[component])


if __name__ == "__main__":
    LocalRunner().run(create_pipeline(find_task(DEFAULT_TASK), Places()))
