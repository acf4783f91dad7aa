"""The family `pairs`."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.evaluator.settings import GateSettings
from components.example_gen.settings import PairsData
from components.settings import SettingsError
from components.trainer.settings import AttentionSettings, RecurrentSettings
from pipeline.config.settings import Config
from pipeline.families.answers.family import AnswersFamily
from pipeline.families.family import Draft

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairsConfig(Config):
    """A task of a user's own pairs."""

    family: str = "pairs"
    data: PairsData
    train: AttentionSettings | RecurrentSettings
    gate: GateSettings


class PairsFamily(AnswersFamily):
    """Pairs of strings that a user has, such as words and how they are pronounced."""

    name = "pairs"
    summary = "your own pairs of strings, such as words and their pronunciations"
    config_class = PairsConfig

    def settle(self, config: PairsConfig) -> PairsConfig:
        """Looks at the beginning of every file, and finds what the answers are split into."""
        from pipeline.families.pairs.look import check_pairs

        return dataclasses.replace(config, data=check_pairs(config.data))

    def example_gen(self, data: PairsData) -> "BaseBeamComponent":
        """Returns the reader."""
        from components.example_gen.component import PairsExampleGen

        return PairsExampleGen(data)

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Reads the pairs once and says what is in them."""
        if not inputs:
            raise SettingsError("name the pairs with --data: files, folders or quoted globs")
        from pipeline.families.pairs.look import look_at_pairs

        return look_at_pairs(inputs, data)


FAMILY = PairsFamily()
