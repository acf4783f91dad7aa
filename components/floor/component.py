"""The Floor component: runs a family's simple methods on the examples."""

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel, Channel, ComponentSpec, artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.standard_component_specs import EXAMPLES_KEY
from tfx.utils import import_utils

from components.evaluator.results import Floor as FloorResult
from components.executor import Artifacts, Properties
from components.files import write_file
from components.names import FLOOR_KEY

# What the artifact holds: a list of `FloorResult`s, and whatever else the method found.
FILE_NAME = "floor.json"

# From the folder of the examples and JSON of settings to the floors, and details for the report.
FloorFn = Callable[[str, str], tuple[list[FloorResult], dict[str, Any]]]


class Executor(BaseExecutor):
    """Calls the family's function."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
        """Writes `floor.json` into the artifact `floor`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        module, _, name = exec_properties["floor_fn"].rpartition(".")
        floor_fn: FloorFn = import_utils.import_func_from_module(module, name)
        examples = artifact_utils.get_single_uri(input_dict[EXAMPLES_KEY])
        floors, details = floor_fn(examples, exec_properties["settings"])
        content = {"floors": [dataclasses.asdict(floor) for floor in floors], "details": details}
        floor_uri = artifact_utils.get_single_uri(output_dict[FLOOR_KEY])
        write_file(os.path.join(floor_uri, FILE_NAME), json.dumps(content, indent=2, ensure_ascii=False).encode())


def read_floors(floor_uri: str) -> list[FloorResult]:
    """Returns the floors in an artifact."""
    with tf.io.gfile.GFile(os.path.join(floor_uri, FILE_NAME)) as file:
        return [FloorResult(**floor) for floor in json.load(file)["floors"]]


class FloorSpec(ComponentSpec):
    """Examples in, figures out."""

    PARAMETERS = {"floor_fn": ExecutionParameter(type=str), "settings": ExecutionParameter(type=str)}
    INPUTS = {EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {FLOOR_KEY: ChannelParameter(type=standard_artifacts.ModelEvaluation)}


class Floor(BaseComponent):
    """What simple methods reach on the test examples."""

    SPEC_CLASS = FloorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, examples: BaseChannel, floor_fn: str, settings: str):
        """Makes the component.

        Args:
          examples: The examples, all splits.
          floor_fn: Dotted name of a `FloorFn`.
          settings: JSON for that function.
        """
        super().__init__(
            FloorSpec(
                floor_fn=floor_fn,
                settings=settings,
                examples=examples,
                floor=Channel(type=standard_artifacts.ModelEvaluation),
            )
        )
