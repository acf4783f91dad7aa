"""The NgramModel component."""

import json
import os
from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, BaseChannel, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import EXAMPLES_KEY

from components.example_gen.executor import SUMMARY_PROPERTY
from components.files import write_file
from components.ngram.evaluation import evaluate
from components.ngram.reading import read_characters
from components.ngram.settings import NgramSettings
from components.settings import from_json, to_json

# What the artifact holds.
FILE_NAME = "ngram.json"


class Executor(BaseExecutor):
    """Counts the training side of a text and predicts its evaluation side."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `ngram.json` into the artifact `ngram`: what `evaluation.evaluate` returns.

        Raises:
          ValueError: The examples are not those of a text.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict[EXAMPLES_KEY])
        summary = json.loads(examples.get_string_custom_property(SUMMARY_PROPERTY) or "null")
        if summary is None:
            raise ValueError(f"the examples in {examples.uri} are no text: NgramModel reads what TextExampleGen makes")
        figures = evaluate(
            from_json(NgramSettings, exec_properties["ngram_settings"]),
            read_characters(examples.uri, "train", summary["context"] > 0),
            read_characters(examples.uri, "eval", summary["eval_context"] > 0),
        )
        ngram = artifact_utils.get_single_instance(output_dict["ngram"])
        write_file(os.path.join(ngram.uri, FILE_NAME), json.dumps(figures, indent=2).encode())


class NgramModelSpec(ComponentSpec):
    """Text examples in, figures out."""

    PARAMETERS = {"ngram_settings": ExecutionParameter(type=str)}
    INPUTS = {EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"ngram": ChannelParameter(type=standard_artifacts.ModelEvaluation)}


class NgramModel(BaseComponent):
    """An n-gram model of the text: the cross-entropy that a neural one must beat. Reads what TextExampleGen has made."""

    SPEC_CLASS = NgramModelSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, examples: BaseChannel, settings: NgramSettings):
        super().__init__(
            NgramModelSpec(
                ngram_settings=to_json(settings),
                examples=examples,
                ngram=Channel(type=standard_artifacts.ModelEvaluation),
            )
        )
