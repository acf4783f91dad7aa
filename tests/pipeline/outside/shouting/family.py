"""The family `shouting`: its settings, and the answers of the product's own families for all else."""

import dataclasses
from typing import Any

from components.evaluator.settings import GateSettings
from components.example_gen.splits import SplitData
from components.trainer.fixed_length.settings import AttentionSettings
from pipeline.config.settings import Config
from pipeline.families.answers.family import AnswersFamily


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShoutingData(SplitData):
    """Words to generate.

    Attributes:
      count: How many.
      letters: The letters that they are made of.
      length: Characters of each.
      input_length: Characters of an input, which follows from `length`.
      output_length: Characters of an answer, which follows from `length`.
    """

    count: int = 1_000
    letters: str = "abcdef"
    length: int = 4
    input_length: int = dataclasses.field(default=0, metadata={"derived": "data.length"})
    output_length: int = dataclasses.field(default=0, metadata={"derived": "data.length"})

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "input_length", self.length)
        object.__setattr__(self, "output_length", self.length)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShoutingConfig(Config):
    """A task of words to shout."""

    family: str = "shouting"
    data: ShoutingData
    train: AttentionSettings
    gate: GateSettings


class ShoutingFamily(AnswersFamily):
    """Words, and how they are shouted."""

    name = "shouting"
    summary = "words such as 'abc', and the same in capitals"
    config_class = ShoutingConfig

    def example_gen(self, data: ShoutingData) -> Any:
        """Returns the generator."""
        from shouting.example_gen import ShoutingExampleGen

        return ShoutingExampleGen(data)


FAMILY = ShoutingFamily()
