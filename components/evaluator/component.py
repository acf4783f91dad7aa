"""The Evaluator component: TFX's own for the metrics, and our gate, which says in words why it refuses a model."""

import json
import logging
import os

from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    BLESSING_KEY,
    EVALUATION_KEY,
    MODEL_KEY,
    EvaluatorSpec,
)
from tfx.utils import json_utils

from components.baseline.component import baseline_version
from components.beam_pipelines import quickly_made
from components.evaluator import gate
from components.evaluator.results import FILE_NAME, Evaluation, to_json
from components.evaluator.settings import Judging, Rule
from components.evaluator.tfma_results import read_tfma_results, to_eval_config
from components.example_gen.splits import TEST_SPLIT
from components.executor import Artifacts, Properties
from components.files import write_file
from components.floor.component import read_floors
from components.names import FLOOR_KEY, METRICS_PROPERTY, REASONS_PROPERTY
from components.settings import from_json
from components.settings import to_json as settings_to_json

_LOG = logging.getLogger("charseq.evaluator")


class Executor(tfx_executor.Executor):
    """TFX's executor computes the metrics; without a version being served it compares with nothing."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Evaluates the candidate, and the baseline on the same examples, and blesses or refuses it."""
        inputs = dict(input_dict)
        if not baseline_version(artifact_utils.get_single_instance(inputs[BASELINE_MODEL_KEY])):
            del inputs[BASELINE_MODEL_KEY]
        floors = [floor for artifact in inputs.pop(FLOOR_KEY, []) for floor in read_floors(artifact.uri)]
        properties = dict(exec_properties)
        rule, figures = from_json(Rule, properties.pop("rule")), json.loads(properties.pop("figures"))
        with quickly_made():
            super().Do(inputs, output_dict, properties)
        artifact = artifact_utils.get_single_instance(output_dict[EVALUATION_KEY])
        slices, baseline, mistakes = read_tfma_results(artifact.uri, figures)
        checks = gate.check(rule, slices[0].metrics, baseline, floors)
        reasons = gate.reasons(checks)
        evaluation = Evaluation(not reasons, reasons, checks, slices, baseline, floors, mistakes)
        write_file(os.path.join(artifact.uri, FILE_NAME), to_json(evaluation))
        artifact.set_string_custom_property(METRICS_PROPERTY, json.dumps(evaluation.metrics))
        _bless(artifact_utils.get_single_instance(output_dict[BLESSING_KEY]), inputs, reasons)


def _bless(blessing: Artifact, inputs: Artifacts, reasons: list[str]) -> None:
    """Blesses a model as TFX's executor does where TFMA has thresholds, or refuses it."""
    for key, uri_property, id_property in (
        (
            MODEL_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
        ),
        (
            BASELINE_MODEL_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
        ),
    ):
        for model in inputs.get(key, []):
            blessing.set_string_custom_property(uri_property, model.uri)
            blessing.set_int_custom_property(id_property, model.id)
    blessing.set_string_custom_property(REASONS_PROPERTY, json.dumps(reasons))
    for reason in reasons:
        _LOG.warning("the model is refused: %s", reason)
    name = constants.NOT_BLESSED_FILE_NAME if reasons else constants.BLESSED_FILE_NAME
    write_file(os.path.join(blessing.uri, name), b"")
    value = constants.NOT_BLESSED_VALUE if reasons else constants.BLESSED_VALUE
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)


class JudgingSpec(EvaluatorSpec):
    """TFX's, with the gate, the names of the figures, and floors."""

    PARAMETERS = EvaluatorSpec.PARAMETERS | {
        "rule": ExecutionParameter(type=str),
        "figures": ExecutionParameter(type=str),
    }
    INPUTS = EvaluatorSpec.INPUTS | {
        FLOOR_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation, optional=True)
    }


class Evaluator(BaseBeamComponent):
    """Evaluates a candidate on the test examples against the gate's bounds, the floors and the version being served."""

    SPEC_CLASS = JudgingSpec
    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        baseline: BaseChannel,
        schema: BaseChannel,
        judging: Judging,
        floor: BaseChannel | None = None,
    ):
        super().__init__(
            JudgingSpec(
                examples=examples,
                model=model,
                baseline_model=baseline,
                schema=schema,
                floor=floor,
                eval_config=to_eval_config(judging),
                example_splits=json_utils.dumps([TEST_SPLIT]),
                rule=settings_to_json(judging.rule),
                figures=json.dumps([figure.name for figure in judging.figures]),
                evaluation=Channel(type=standard_artifacts.ModelEvaluation),
                blessing=Channel(type=standard_artifacts.ModelBlessing),
            )
        )
