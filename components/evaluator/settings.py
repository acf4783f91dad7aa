"""Settings of the Evaluator."""

import dataclasses

from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class GateSettings:
    """When a seq2seq candidate is good enough.

    Attributes:
      exact_match: Least share of evaluation examples whose whole answer is right.
      largest_drop: Most that this share may lie below that of the version being served, on the same examples. Zero refuses
        every second retraining for one example's worth of noise.
      slices: Features by whose values results are listed.
    """

    exact_match: float = 0.9
    largest_drop: float = 0.005
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.exact_match <= 1:
            raise SettingsError(f"gate.exact_match is {self.exact_match}; it is a share above 0 and up to 1")
        if not 0 <= self.largest_drop <= 1:
            raise SettingsError(f"gate.largest_drop is {self.largest_drop}; it is a share from 0 to 1")


@dataclasses.dataclass(frozen=True)
class TextGateSettings:
    """When a language model is good enough.

    Attributes:
      bits_per_character: Most bits that it may need for a character of the evaluation text: the mean of minus the binary
        logarithm of the probability that it gave to the character that came.
      largest_rise: Most that this may lie above that of the version being served, on the same text.
      slices: Features by whose values results are listed.
    """

    bits_per_character: float = 2.4
    largest_rise: float = 0.02
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bits_per_character <= 0:
            raise SettingsError(f"gate.bits_per_character is {self.bits_per_character}; it is a number of bits above 0")
        if self.largest_rise < 0:
            raise SettingsError(f"gate.largest_rise is {self.largest_rise}; it must not be negative")
