"""The Evaluator component: TFX's own, for a baseline that may be empty, and with the reasons for a refusal in words."""

import json
import logging
import os
from typing import Any

from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator import component as tfx_component
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    BLESSING_KEY,
    EVAL_CONFIG_KEY,
    EVALUATION_KEY,
)
from tfx.utils import proto_utils

from components.baseline.component import baseline_version
from components.evaluator.gate import to_eval_config
from components.evaluator.results import FILE_NAME, to_json
from components.evaluator.settings import GateSettings, TextGateSettings
from components.evaluator.tfma_results import read_tfma_results
from components.files import write_file

# Custom property of the blessing artifact: JSON list of why the candidate is refused, empty if it is blessed.
REASONS_PROPERTY = "reasons"

# Custom property of the evaluation artifact: JSON of the metrics over all examples, the one that decides first.
METRICS_PROPERTY = "metrics"

_LOG = logging.getLogger("charseq.evaluator")


class Executor(tfx_executor.Executor):
    """TFX's executor; without a version being served it compares with nothing."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the candidate, and the baseline on the same examples, and blesses or refuses it."""
        inputs = dict(input_dict)
        if not baseline_version(artifact_utils.get_single_instance(inputs[BASELINE_MODEL_KEY])):
            del inputs[BASELINE_MODEL_KEY]
        super().Do(inputs, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict[EVALUATION_KEY])
        eval_config = proto_utils.json_to_proto(exec_properties[EVAL_CONFIG_KEY], config_pb2.EvalConfig())
        evaluation = read_tfma_results(artifact.uri, eval_config)
        write_file(os.path.join(artifact.uri, FILE_NAME), to_json(evaluation))
        artifact.set_string_custom_property(METRICS_PROPERTY, json.dumps(evaluation.metrics))
        blessing = artifact_utils.get_single_instance(output_dict[BLESSING_KEY])
        blessing.set_string_custom_property(REASONS_PROPERTY, json.dumps(evaluation.reasons))
        for reason in evaluation.reasons:
            _LOG.warning("the model is refused: %s", reason)


class Evaluator(tfx_component.Evaluator):
    """Evaluates a candidate on the split `eval` against a gate's bounds and the version being served."""

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        baseline: BaseChannel,
        schema: BaseChannel,
        gate: GateSettings | TextGateSettings,
    ):
        super().__init__(
            examples=examples,
            model=model,
            baseline_model=baseline,
            schema=schema,
            eval_config=to_eval_config(gate),
        )
