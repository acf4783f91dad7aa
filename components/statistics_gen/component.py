"""The StatisticsGen component: TFX's own, reading examples a batch at a time."""

import functools

from tfx.components.statistics_gen import component as tfx_component
from tfx.components.statistics_gen import executor as tfx_executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import SCHEMA_KEY
from tfx.utils import io_utils

from components.example_batches import examples_in_batches
from components.executor import Artifacts, Properties
from components.files import list_files
from components.statistics_gen.derived import derive


class Executor(tfx_executor.Executor):
    """Computes the statistics of every split."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes the statistics of the examples' features, and of those that the schema derives from them."""
        (schema_path,) = list_files(artifact_utils.get_single_uri(input_dict[SCHEMA_KEY]))
        schema = io_utils.SchemaReader().read(schema_path)
        with examples_in_batches(functools.partial(derive, schema=schema)):
            super().Do(input_dict, output_dict, exec_properties)


class StatisticsGen(tfx_component.StatisticsGen):
    """Statistics of the examples, for people and for ExampleValidator."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)
