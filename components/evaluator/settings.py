"""Settings of the Evaluator."""

import dataclasses

from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class GateSettings:
    """When a candidate is good enough.

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
