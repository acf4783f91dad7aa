"""The StatisticsGen component: TFX's own, reading examples a batch at a time."""

from tfx.components.statistics_gen import component as tfx_component
from tfx.components.statistics_gen import executor as tfx_executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

from components.example_batches import examples_in_batches
from components.executor import Artifacts, Properties


class Executor(tfx_executor.Executor):
    """Computes the statistics of every split."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes the statistics."""
        with examples_in_batches():
            super().Do(input_dict, output_dict, exec_properties)


class StatisticsGen(tfx_component.StatisticsGen):
    """Statistics of the examples, for people and for ExampleValidator."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)
