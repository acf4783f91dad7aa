"""Settings of the Evaluator: what is measured, and when a model is good enough."""

import dataclasses
from typing import Any

from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class Figure:
    """A metric of all test examples.

    Attributes:
      name: Its name, in JSON, lineage, report and gate.
      metric: Dotted name of its class, a `tfma.metrics.Metric`.
      options: Further arguments of the class, JSON values; `name` is one already.
    """

    name: str
    metric: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the gate asks of the figure that decides. A model that keeps to every part of it is blessed.

    Attributes:
      metric: The figure that decides.
      lower_is_better: Whether a smaller figure is a better one.
      bound: The worst value that is let through; None asks for none.
      bound_setting: The setting that it comes from.
      largest_change: How much worse than the served version's the figure may be, on the same examples.
      change_setting: The setting that this comes from.
      beat_floor: Whether the figure must be better than that of every floor, if the task has floors.
    """

    metric: str
    lower_is_better: bool
    bound: float | None
    bound_setting: str
    largest_change: float
    change_setting: str
    beat_floor: bool


@dataclasses.dataclass(frozen=True)
class Judging:
    """What the Evaluator measures, and what it decides by.

    Attributes:
      label: The feature with what is right.
      figures: The metrics, the one that decides first.
      mistakes: Dotted names of the metrics that collect what went wrong.
      slices: Features by which the results are grouped.
      rule: The gate.
    """

    label: str
    figures: tuple[Figure, ...]
    mistakes: tuple[str, ...]
    slices: tuple[str, ...]
    rule: Rule


@dataclasses.dataclass(frozen=True)
class GateSettings:
    """When a model that gives answers is good enough.

    Attributes:
      exact_match: The least share of test examples whose whole answer is right; 0 demands nothing.
      largest_drop: How much smaller this share may be than that of the served version on the same examples. With 0 every
        second training would be refused, for the noise of a single example.
      beat_floor: Whether the share must be above that of every floor, if the task has floors.
      slices: Features by which the results are grouped.
    """

    exact_match: float = 0.0
    largest_drop: float = 0.005
    beat_floor: bool = True
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("exact_match", "largest_drop"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"gate.{name} is {getattr(self, name)}; it is a share from 0 to 1")

    @property
    def rule(self) -> Rule:
        """What the gate asks."""
        return Rule(
            "exact_match",
            False,
            self.exact_match or None,
            "gate.exact_match",
            self.largest_drop,
            "gate.largest_drop",
            self.beat_floor,
        )


@dataclasses.dataclass(frozen=True)
class TextGateSettings:
    """When a language model is good enough.

    Attributes:
      bits_per_character: The most bits that it may need for a character of the test text: the mean of minus the binary
        logarithm of the probability that it gave to the character that came. 0 asks for none: what a good figure is
        depends on the text.
      largest_rise: The most that this may lie above the bits of the served version on the same text.
      beat_floor: Whether the model must need fewer bits than the n-gram model of the same text.
      slices: Features by which the results are grouped.
    """

    bits_per_character: float = 0.0
    largest_rise: float = 0.02
    beat_floor: bool = True
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("bits_per_character", "largest_rise"):
            if getattr(self, name) < 0:
                raise SettingsError(f"gate.{name} is {getattr(self, name)}; it must not be negative")

    @property
    def rule(self) -> Rule:
        """What the gate asks."""
        return Rule(
            "bits_per_character",
            True,
            self.bits_per_character or None,
            "gate.bits_per_character",
            self.largest_rise,
            "gate.largest_rise",
            self.beat_floor,
        )
