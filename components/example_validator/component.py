"""The ExampleValidator component: TFX's own, with the baseline's statistics for drift, and an end to bad data."""

import os
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.components.example_validator import executor as tfx_executor
from tfx.components.example_validator import labels
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import Artifact, BaseChannel, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import ANOMALIES_KEY, EXCLUDE_SPLITS_KEY, SCHEMA_KEY, STATISTICS_KEY
from tfx.utils import json_utils, path_utils, writer_utils

from components.baseline.component import baseline_version
from components.example_validator.anomalies import DataAnomalyError, find_anomalies
from components.example_validator.words import describe
from components.executor import Artifacts, Properties
from serving.contract.layout import STATISTICS_PATH


class Executor(tfx_executor.Executor):
    """TFX's executor, which records anomalies and goes on; this one stops."""

    _previous: statistics_pb2.DatasetFeatureStatisticsList | None = None
    _found: list[str]

    def Do(  # noqa: N802
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> execution_result_pb2.ExecutorOutput:
        """Validates every split against the schema, and the drift from the baseline's training data.

        Raises:
          DataAnomalyError: There are anomalies.
        """
        baseline = artifact_utils.get_single_instance(input_dict["baseline"])
        if exec_properties["check_drift"]:
            self._previous = _read_statistics(baseline)
        self._found = []
        output = super().Do(input_dict, output_dict, exec_properties)
        if self._found:
            remedy = "mend the data, or change the schema of the task's family if the schema is out of date"
            if self._previous is not None:
                remedy += (
                    f"; compared with the data of served version {baseline_version(baseline)}: if the change is meant, "
                    "use --set validate.check_drift=false"
                )
            raise DataAnomalyError(f"the data set has anomalies ({remedy}):\n  " + "\n  ".join(self._found))
        return output

    def _Validate(  # noqa: N802 (TFX's name)
        self, inputs: dict[str, Any], outputs: dict[str, Any]
    ) -> anomalies_pb2.Anomalies:
        path = outputs[labels.SCHEMA_DIFF_PATH]
        split = os.path.basename(path).removeprefix("Split-")
        # Evaluation data is drawn as the training data is; its drift would be reported twice.
        anomalies = find_anomalies(
            inputs[STATISTICS_KEY], inputs[SCHEMA_KEY], self._previous if split == "train" else None
        )
        writer_utils.write_anomalies(os.path.join(path, tfx_executor.DEFAULT_FILE_NAME), anomalies)
        self._found += [f"{split}: {line}" for line in describe(anomalies)]
        return anomalies


def _read_statistics(baseline: Artifact) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    path = os.path.join(path_utils.serving_model_dir(baseline.uri), STATISTICS_PATH)
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file:
        return statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read())


class ExampleValidatorSpec(ComponentSpec):
    """Statistics, schema and baseline in, anomalies out."""

    PARAMETERS = {
        EXCLUDE_SPLITS_KEY: ExecutionParameter(type=str),
        "check_drift": ExecutionParameter(type=int),
    }
    INPUTS = {
        STATISTICS_KEY: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema),
        "baseline": ChannelParameter(type=standard_artifacts.Model),
    }
    OUTPUTS = {ANOMALIES_KEY: ChannelParameter(type=standard_artifacts.ExampleAnomalies)}


class ExampleValidator(BaseComponent):
    """Stops the run if the statistics break the schema or have drifted from those of the version being served."""

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, statistics: BaseChannel, schema: BaseChannel, baseline: BaseChannel, check_drift: bool):
        super().__init__(
            ExampleValidatorSpec(
                statistics=statistics,
                schema=schema,
                baseline=baseline,
                check_drift=int(check_drift),
                exclude_splits=json_utils.dumps([]),
                anomalies=Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
