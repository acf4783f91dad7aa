"""The Evaluator component: TFX's own, for a baseline that may be empty, and with the reasons for a refusal in words."""

import json
import logging
from typing import Any

from tfx.components.evaluator import component as tfx_component
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Artifact, BaseChannel, artifact_utils
from tfx.types.standard_component_specs import BASELINE_MODEL_KEY, BLESSING_KEY, EVALUATION_KEY

from components.baseline.component import baseline_version
from components.evaluator.gate import to_eval_config
from components.evaluator.results import read_evaluation
from components.evaluator.settings import GateSettings, TextGateSettings

# Custom property of the blessing artifact: JSON list of why the candidate is refused, empty if it is blessed.
REASONS_PROPERTY = "reasons"

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
        evaluation = read_evaluation(artifact_utils.get_single_uri(output_dict[EVALUATION_KEY]))
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
