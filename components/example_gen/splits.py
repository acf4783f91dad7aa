"""The three splits, and on which one an example is.

`train` is learned from. `validation` decides when to stop, which epoch to keep and what the Tuner prefers. `test` is what the
gate, the report and the comparison with the served version are about; nothing is chosen by it. The side of an example follows
from its input alone, so it never moves when data is added.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from components.settings import SettingsError

SPLITS = ("train", "validation", "test")
TRAIN_SPLIT, VALIDATION_SPLIT, TEST_SPLIT = SPLITS

# Index of a split in SPLITS, one for each example: uint8 [N].
Sides = npt.NDArray[np.uint8]
TRAIN, VALIDATION, TEST = (np.uint8(index) for index in range(3))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitData:
    """Settings of the splits.

    Attributes:
      test_fraction: Expected share of all examples in `test`. They judge the model, and nothing is chosen by them.
      validation_fraction: Expected share of all examples that decide when to stop, which epoch to keep, and what the Tuner
        prefers.
    """

    test_fraction: float = dataclasses.field(default=0.1, metadata={"formerly": ("eval_fraction",)})
    validation_fraction: float = 0.05

    def __post_init__(self) -> None:
        for name in ("test_fraction", "validation_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"data.{name} is {getattr(self, name)}; it must lie between 0 and 1")
        if self.test_fraction + self.validation_fraction >= 1:
            raise SettingsError(
                f"data.test_fraction and data.validation_fraction are {self.test_fraction + self.validation_fraction:g} "
                "together; leave something for training"
            )


def sides(data: SplitData, places: npt.NDArray[np.float64]) -> Sides:
    """Returns on which split examples are.

    Args:
      data: The shares of the splits.
      places: A number for each example that follows from its input, evenly spread over 0 to 1: float64 [N]. The test split
        has the lowest, then comes validation: with the same test share the test examples stay, whatever validation gets.
    """
    ends = np.array([data.test_fraction, data.test_fraction + data.validation_fraction])
    by_rank = np.array([TEST, VALIDATION, TRAIN], np.uint8)
    return by_rank[np.searchsorted(ends, places, side="right")]
