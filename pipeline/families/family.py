"""What a family is: all that differs between kinds of data, in one object.

Everything here is quick to import. What a method needs of TensorFlow, TFX or Beam, it imports itself.
"""

import abc
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from components.settings import SettingsError
from components.trainer.settings import FitSettings
from pipeline.config.settings import Config
from pipeline.config.values import nearest

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent

    from components.evaluator.settings import Judging
    from components.tfx_libraries import tfdv
    from pipeline.report.contents import Contents


class Headline(NamedTuple):
    """A figure at the head of a report.

    Attributes:
      title: What it is.
      value: The figure in words.
      note: What belongs to it, in a smaller line.
    """

    title: str
    value: str
    note: str = ""


class Section(NamedTuple):
    """A section of a report.

    Attributes:
      anchor: Its address within the page.
      title: Its heading.
      html: What is below the heading; markup, already escaped.
    """

    anchor: str
    title: str
    html: str


class Floors(NamedTuple):
    """What a model must beat.

    Attributes:
      floor_fn: Dotted name of a `components.floor.component.FloorFn`.
      settings: JSON for that function.
    """

    floor_fn: str
    settings: str


class Draft(NamedTuple):
    """What a task file for some data says.

    Attributes:
      data: The settings of `data` that differ from their defaults, values as TOML has them.
      found: What was found in the data, a line each, for the file's comments.
    """

    data: Mapping[str, Any]
    found: Sequence[str]


class Family(abc.ABC):
    """A kind of data: its settings, components, models, figures and pages.

    Attributes:
      name: The name that task files use.
      summary: What the family is, in a line.
      config_class: The settings of its tasks.
      request_fn: Dotted name of the function that makes requests from examples, see `components.infra_validator.requests`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    config_class: ClassVar[type[Config]]
    request_fn: ClassVar[str]

    def settle(self, config: Any) -> Any:
        """Returns a configuration in which everything is settled that is found by looking at the data.

        It is called before anything is run or imported, and is the place to refuse data that cannot be used.

        Raises:
          SettingsError: The data cannot be used.
        """
        return config

    # The pipeline.

    @abc.abstractmethod
    def example_gen(self, data: Any) -> "BaseBeamComponent":
        """Returns the component that makes the examples."""

    @property
    def schema_path(self) -> str:
        """The schema of the examples, a text proto beside the family."""
        return os.path.join(os.path.dirname(os.path.abspath(_file_of(self))), "schema.pbtxt")

    def check_slices(self, config: Any) -> None:
        """Checks that `gate.slices` names features that the examples have.

        Raises:
          SettingsError: One is not there.
        """
        if not config.gate.slices:
            return
        from google.protobuf import text_format
        from tensorflow_metadata.proto.v0 import schema_pb2

        with open(self.schema_path, encoding="utf-8") as file:
            schema = text_format.Parse(file.read(), schema_pb2.Schema())
        features = [f.name for f in schema.feature if f.lifecycle_stage != schema_pb2.VALIDATION_DERIVED]
        for name in config.gate.slices:
            if features and name not in features:  # a schema may say nothing of features
                raise SettingsError(
                    f"gate.slices: the examples of {self.name} have no feature {name!r}{nearest(name, features)}"
                )

    def statistics_options(self) -> "tfdv.StatsOptions":
        """Returns how the statistics of the examples are computed.

        Strings are counted by sketches: TFDV's default holds every different string in memory, and inputs are nearly all
        different. Counts are exact up to 1,024 different values of a feature (the number of different ones up to 16,384)
        and estimates beyond. What the schema says is no category is not counted.
        """
        from components.tfx_libraries import tfdv

        return tfdv.StatsOptions(use_sketch_based_topk_uniques=True)

    @abc.abstractmethod
    def transform_arguments(self, config: Any) -> dict[str, Any]:
        """Returns TFX Transform's arguments: `preprocessing_fn`, a dotted name, and its `custom_config`."""

    def train_settings(self, config: Any) -> FitSettings:
        """Returns how to train: the settings, and in their derived fields what follows from other sections."""
        settings: FitSettings = config.train
        return settings

    def train_config(self, config: Any) -> dict[str, Any]:
        """Returns what the run function needs beside the settings of the training, values for JSON."""
        return {}

    @abc.abstractmethod
    def judging(self, config: Any) -> "Judging":
        """Returns what the Evaluator measures, and what it decides by."""

    def floors(self, config: Any) -> Floors | None:
        """Returns what a model must beat; None if there is nothing."""
        return None

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Looks at a user's data for `charseq new`.

        Args:
          inputs: Files, folders or globs; empty if none was named.
          data: What the user has set of `data`, as text.

        Raises:
          SettingsError: The family needs data and there is none, or the other way round.
          DataError: The data cannot be used.
        """
        if inputs:
            raise SettingsError(
                f"the family {self.name} cannot look at data: leave --data out, and use --set data....=..."
            )
        return Draft({}, ())

    # The report.

    def headlines(self, contents: "Contents") -> Sequence[Headline]:
        """Returns the figures at the head of a report: the one that decides, unless a family says otherwise."""
        evaluation = contents.evaluation
        if evaluation is None:
            return ()
        from pipeline.report import words
        from pipeline.report.figures import describe_headline

        name = next(iter(evaluation.metrics))
        said = describe_headline(name, evaluation.metrics, evaluation.baseline, words.number)
        return (Headline(name.replace("_", " ").capitalize(), *said),)

    def sections(self, contents: "Contents") -> Sequence[Section]:
        """Returns the report's sections between the figures and the learning curves."""
        return ()

    def describe_data(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what a person wants to know of the data, from the properties of the examples artifact."""
        return dict(json.loads(properties.get("summary") or "{}"))

    def data_section(self, properties: Mapping[str, Any]) -> str:
        """Returns what the report's section on the data says of them: markup, empty if there is nothing to say."""
        summary = self.describe_data(properties)
        if not summary:
            return ""
        from pipeline.report.render import render_page

        return render_page("data.html.jinja", summary=summary)


def _file_of(family: Family) -> str:
    import sys

    return str(sys.modules[type(family).__module__].__file__)
