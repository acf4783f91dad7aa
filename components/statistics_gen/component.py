"""The StatisticsGen component: TFX's own, without a Beam pipeline.

TFX's executor makes a pipeline of hundreds of steps, which takes seconds however few examples there are. The statistics are
combined in one place in any case.
"""

import functools
import os

from tfx.components.statistics_gen import component as tfx_component
from tfx.components.statistics_gen import executor as tfx_executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import EXAMPLES_KEY, SCHEMA_KEY, STATISTICS_KEY, STATS_OPTIONS_JSON_KEY
from tfx.utils import io_utils, json_utils, stats_utils

from components.executor import Artifacts, Properties
from components.files import list_files, write_file
from components.statistics_gen.derived import derive
from components.statistics_gen.split import describe_split
from components.tfx_libraries import tfdv


class Executor(tfx_executor.Executor):
    """Computes the statistics of every split."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes the statistics of the examples' features, and of those that the schema derives from them.

        The artifact gets the files and the properties that TFX's executor gives it.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        (schema_path,) = list_files(artifact_utils.get_single_uri(input_dict[SCHEMA_KEY]))
        schema = io_utils.SchemaReader().read(schema_path)
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        statistics = artifact_utils.get_single_instance(output_dict[STATISTICS_KEY])
        splits = artifact_utils.decode_split_names(examples.split_names)
        statistics.split_names = examples.split_names
        statistics.span = examples.span
        link = stats_utils.generate_stats_dashboard_link(statistics)
        statistics.set_string_custom_property(tfx_executor.STATS_DASHBOARD_LINK, link)
        rates = json_utils.dumps(dict.fromkeys(splits, 1.0))
        statistics.set_json_value_custom_property(tfx_executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, rates)
        for split in splits:
            options = tfdv.StatsOptions.from_json(exec_properties[STATS_OPTIONS_JSON_KEY])
            options.schema = schema
            paths = list_files(artifact_utils.get_split_uri([examples], split))
            described = describe_split(paths, options, functools.partial(derive, schema=schema))
            path = os.path.join(artifact_utils.get_split_uri([statistics], split), tfx_executor.DEFAULT_FILE_NAME)
            write_file(path, described.SerializeToString())


class StatisticsGen(tfx_component.StatisticsGen):
    """Statistics of the examples, for people and for ExampleValidator."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)
