"""Settings of the Tuner: how many trials, and of what."""

import dataclasses
import typing
from typing import Any

from components.settings import SettingsError
from components.trainer.settings import FitSettings


@dataclasses.dataclass(frozen=True)
class TuneSettings:
    """What is tried out before the training.

    Attributes:
      trials: Trainings with settings drawn from the space; 0 leaves the Tuner out. The one with the lowest val_loss wins.
      space: Fields of `train`, each with choices (`units=64|128`) or a range (`learning_rate=1e-3:1e-2`; evenly in its
        logarithm if both ends are above 0). Empty: what the architecture's settings name (`FitSettings.SPACE`).
      trial_epochs: Epochs of a trial; 0 is train.epochs.
      seed: Seed of the settings that are drawn.
    """

    trials: int = 0
    space: tuple[str, ...] = ()
    trial_epochs: int = 0
    seed: int = 17

    def __post_init__(self) -> None:
        for name in ("trials", "trial_epochs"):
            if getattr(self, name) < 0:
                raise SettingsError(f"tune.{name} is {getattr(self, name)}; it must not be negative")


@dataclasses.dataclass(frozen=True)
class Dimension:
    """A field that is tuned.

    Attributes:
      field: Field of the training's settings.
      choices: What it can be, or empty.
      low: Otherwise the least that it can be,
      high: and the most.
      whole: Whether it is a whole number.
    """

    field: str
    choices: tuple[int | float | str | bool, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False


def parse_space(tune: TuneSettings, train: FitSettings) -> list[Dimension]:
    """Returns the dimensions of a space.

    Raises:
      SettingsError: A line of it cannot be read, names no field, or has a value that the field does not take.
    """
    hints = typing.get_type_hints(type(train))
    dimensions = [_parse(line, hints) for line in tune.space or train.SPACE]
    for dimension in dimensions:
        for value in dimension.choices or (dimension.low, dimension.high):
            change: dict[str, Any] = {dimension.field: int(value) if dimension.whole else value}
            dataclasses.replace(train, **change)
    return dimensions


def _parse(line: str, hints: dict[str, type]) -> Dimension:
    field, equals, values = line.partition("=")
    if not equals or not values:
        raise SettingsError(f"tune.space: {line!r} is neither field=a|b|c nor field=low:high")
    kind = hints.get(field)
    if kind is None:
        raise SettingsError(f"tune.space: train has no {field!r}; it has {', '.join(hints)}")
    try:
        if kind in (int, float) and "|" not in values and ":" in values:
            low, high = (float(value) for value in values.split(":"))
            if not low < high:
                raise SettingsError(f"tune.space: {line!r} ends before it begins")
            return Dimension(field, low=low, high=high, whole=kind is int)
        if kind is bool:
            return Dimension(field, tuple({"true": True, "false": False}[value] for value in values.split("|")))
        convert = kind if kind in (int, float) else str
        return Dimension(field, tuple(convert(value) for value in values.split("|")), whole=kind is int)
    except (ValueError, KeyError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"tune.space: train.{field} does not take {values!r}") from None
