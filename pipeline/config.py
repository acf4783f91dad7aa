"""The configuration of a run: frozen dataclasses, overridden by `--set section.field=value`."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from components.browser.settings import BrowserSettings
from components.evaluator.settings import GateSettings, TextGateSettings
from components.example_gen.settings import PairsData, SumsData, TextData
from components.infra_validator.settings import InfraSettings
from components.ngram.settings import NgramSettings
from components.pusher.settings import RolloutSettings
from components.settings import SettingsError
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.settings import TrainSettings
from components.tuner.settings import TuneSettings, parse_space
from pipeline.beam.settings import BeamSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


@dataclasses.dataclass(frozen=True)
class ValidateSettings:
    """What stops a run before training.

    Attributes:
      check_drift: Whether training data that has drifted from that of the version being served stops the run.
    """

    check_drift: bool = True


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How the pipeline as a whole runs.

    Attributes:
      cache: Whether a component whose inputs and settings are those of an earlier run takes that run's outputs.
    """

    cache: bool = False


@dataclasses.dataclass(frozen=True)
class Config:
    """All that a run depends on.

    Attributes:
      task: Name of the task; also the name of the pipeline and of the model that is served.
      summary: What the task is, in a line.
      data: Which examples.
      train: How to train.
      tune: What to try out before.
      gate: When a model is good enough.
      validate: What stops a run before training.
      infra: How a candidate is tried out in a server.
      rollout: How a pushed version gets to be served.
      browser: The pushed model as files for a browser.
      ngram: Text only: the model without a network that a language model is held beside.
      beam: Where data jobs run.
      run: How the pipeline runs.
    """

    task: str
    summary: str
    data: SumsData | PairsData | TextData
    train: TrainSettings | LanguageModelSettings
    gate: GateSettings | TextGateSettings
    tune: TuneSettings = dataclasses.field(default_factory=TuneSettings)
    validate: ValidateSettings = dataclasses.field(default_factory=ValidateSettings)
    infra: InfraSettings = dataclasses.field(default_factory=InfraSettings)
    rollout: RolloutSettings = dataclasses.field(default_factory=RolloutSettings)
    browser: BrowserSettings = dataclasses.field(default_factory=BrowserSettings)
    ngram: NgramSettings = dataclasses.field(default_factory=NgramSettings)
    beam: BeamSettings = dataclasses.field(default_factory=BeamSettings)
    run: RunSettings = dataclasses.field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if self.tune.trials:
            parse_space(self.tune, self.train)
        if self.browser.export and isinstance(self.data, TextData):
            raise SettingsError(
                f"browser.export: {self.task} writes text, and there is no page for that; sums and pairs have one"
            )

    @property
    def kind(self) -> Literal["sums", "pairs", "text"]:
        """Which data the task has."""
        kinds: dict[type, Literal["sums", "pairs", "text"]] = {SumsData: "sums", PairsData: "pairs", TextData: "text"}
        return kinds[type(self.data)]


def override(config: ConfigT, assignments: Iterable[str]) -> ConfigT:
    """Returns a configuration with fields replaced.

    Args:
      config: What to start from: a dataclass whose sections are dataclasses.
      assignments: Each `section.field=value`, such as `train.epochs=5`; where only one section has the field, `field=value`.

    Raises:
      SettingsError: An assignment is none, names no field, or has a value that the field does not take.
    """
    changes: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        section, dot, field = name.rpartition(".")
        if not equals or not name:
            raise SettingsError(f"--set {assignment!r} is not section.field=value, such as train.epochs=5")
        sections = [f.name for f in dataclasses.fields(config) if dataclasses.is_dataclass(getattr(config, f.name))]
        if not dot:
            section = _find_section(config, sections, assignment, field)
        if section not in sections:
            raise SettingsError(f"--set {assignment!r}: no section {section!r}{_suggest(section, sections)}")
        hints = typing.get_type_hints(type(getattr(config, section)))
        fields = [f.name for f in dataclasses.fields(getattr(config, section))]
        if field not in fields:
            raise SettingsError(f"--set {assignment!r}: {section} has no {field!r}{_suggest(field, fields)}")
        changes.setdefault(section, {})[field] = _parse(assignment, hints[field], text)
    return dataclasses.replace(
        config,
        **{section: dataclasses.replace(getattr(config, section), **values) for section, values in changes.items()},
    )


def _find_section(config: Any, sections: list[str], assignment: str, field: str) -> str:
    """Returns the one section that has a field."""
    having = [s for s in sections if field in {f.name for f in dataclasses.fields(getattr(config, s))}]
    if len(having) == 1:
        return having[0]
    if having:
        raise SettingsError(
            f"--set {assignment!r}: {' and '.join(f'{s}.{field}' for s in having)} are several; name one"
        )
    fields = {f.name: f"{s}.{f.name}" for s in sections for f in dataclasses.fields(getattr(config, s))}
    close = difflib.get_close_matches(field, fields, 1)
    hint = f"; did you mean {fields[close[0]]!r}?" if close else ""
    raise SettingsError(f"--set {assignment!r} is not section.field=value, such as train.epochs=5{hint}")


def _suggest(name: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(name, choices, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(choices)}"


def _parse(assignment: str, hint: Any, text: str) -> Any:
    """Returns `text` as a value of the type that a field is declared with."""
    origin = typing.get_origin(hint)
    if origin is Literal or hint is str:
        return text
    if origin is tuple:
        return tuple(_parse(assignment, typing.get_args(hint)[0], part) for part in text.split(",") if part)
    if origin in (typing.Union, types.UnionType):
        return None if text == "none" else _parse(assignment, typing.get_args(hint)[0], text)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise SettingsError(f"--set {assignment!r}: {text!r} is neither true nor false")
        return text.lower() == "true"
    try:
        return hint(text.replace("_", "") if hint is int else text)
    except ValueError:
        kind = {int: "a whole number", float: "a number"}[hint]
        raise SettingsError(f"--set {assignment!r}: {text!r} is not {kind}") from None
