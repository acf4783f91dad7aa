"""The configuration of a run: frozen dataclasses. A family adds its own settings in a subclass of `Config`."""

import dataclasses
import re
from typing import Any

from components.browser.settings import BrowserSettings
from components.infra_validator.settings import InfraSettings
from components.pusher.settings import RolloutSettings
from components.settings import SettingsError
from components.trainer.settings import FitSettings
from components.tuner.settings import TuneSettings, parse_space
from pipeline.beam.settings import BeamSettings

# The name of a task is the name of a folder, of a served model, and part of the names of Kubernetes objects.
_TASK_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclasses.dataclass(frozen=True)
class ValidateSettings:
    """What stops a run before training.

    Attributes:
      check_drift: Whether a run stops when its training data has drifted from the data of the version that is served.
    """

    check_drift: bool = True


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How the pipeline as a whole runs.

    Attributes:
      cache: Whether a component reuses the outputs of an earlier run that had the same inputs and settings.
    """

    cache: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """All that a run depends on.

    Attributes:
      task: Name of the task. It is also the name of the pipeline, of the served model and of the folder of its reports.
      summary: What the task is, in a line.
      family: Name of the task's family (`pipeline.families`).
      data: Which examples.
      train: How to train. The `architecture` decides which settings there are.
      gate: When a model is good enough.
      tune: What to try out before the training.
      validate: What stops a run before training.
      infra: How a candidate is tried out in a server.
      rollout: How a pushed version gets to be served.
      browser: The pushed model as files for a browser.
      beam: Where data jobs run.
      run: How the pipeline runs.
    """

    task: str
    summary: str = ""
    family: str
    data: Any
    train: FitSettings
    gate: Any
    tune: TuneSettings = dataclasses.field(default_factory=TuneSettings)
    validate: ValidateSettings = dataclasses.field(default_factory=ValidateSettings)
    infra: InfraSettings = dataclasses.field(default_factory=InfraSettings)
    rollout: RolloutSettings = dataclasses.field(default_factory=RolloutSettings)
    browser: BrowserSettings = dataclasses.field(default_factory=BrowserSettings)
    beam: BeamSettings = dataclasses.field(default_factory=BeamSettings)
    run: RunSettings = dataclasses.field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        check_task_name(self.task)
        if self.tune.trials:
            parse_space(self.tune, self.train)


def check_task_name(name: str) -> None:
    """Checks that a name can be that of a task.

    Raises:
      SettingsError: It cannot.
    """
    if not _TASK_NAME.fullmatch(name):
        raise SettingsError(
            f"name is {name!r}; a task's name has letters, digits and hyphens, begins and ends with a letter or digit, and "
            "has at most 63 characters"
        )
