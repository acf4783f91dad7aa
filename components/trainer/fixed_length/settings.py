"""Settings of the models of questions and answers of a fixed length."""

import dataclasses
from typing import ClassVar, Literal

from components.trainer.settings import FitSettings, check_least


@dataclasses.dataclass(frozen=True)
class RecurrentSettings(FitSettings):
    """How to train references 1 and 2. The defaults are those of reference 2.

    Attributes:
      architecture: `simple_rnn` is reference 1, `lstm` is reference 2.
      units: Width of the layers.
      drop_remainder: Whether an epoch leaves out the examples that do not fill its last batch. Each epoch leaves out others.
    """

    TRAINER: ClassVar[str] = "components.trainer.fixed_length.trainer"

    architecture: Literal["lstm", "simple_rnn"] = "lstm"
    units: int = 128
    drop_remainder: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "units")


@dataclasses.dataclass(frozen=True)
class AttentionSettings(FitSettings):
    """How to train `attention`, the model of sums.

    Attributes:
      architecture: Attention from each place of the answer to the characters of the question.
      units: Width of the layers.
      embedding: Width of a character's vector.
      heads: Attention heads, each 16 wide.
      drop_remainder: As for `RecurrentSettings`. Batches of one shape are compiled once.
    """

    TRAINER: ClassVar[str] = "components.trainer.fixed_length.trainer"

    architecture: Literal["attention"] = "attention"
    units: int = 64
    embedding: int = 32
    heads: int = 8
    learning_rate: float = 4e-3
    warmup: float = 0.1
    weight_decay: float = 0.1
    beta_2: float = 0.98
    clip_norm: float = 1.0
    # In one XLA call a step of 32 takes half the time of one of 64: twice the steps for nothing.
    batch_size: int = 32
    drop_remainder: bool = True
    epochs: int = 40
    validate_every: int = 5
    histograms: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "units", "embedding", "heads")
