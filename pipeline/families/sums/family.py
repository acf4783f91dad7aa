"""The family `sums`."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.evaluator.settings import GateSettings
from components.example_gen.settings import SumsData
from components.settings import SettingsError
from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from pipeline.config.settings import Config
from pipeline.families.answers.family import AnswersFamily
from pipeline.families.family import Draft

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent


@dataclasses.dataclass(frozen=True, kw_only=True)
class SumsConfig(Config):
    """A task of generated sums."""

    family: str = "sums"
    data: SumsData
    train: AttentionSettings | RecurrentSettings
    gate: GateSettings


class SumsFamily(AnswersFamily):
    """Sums that are generated, such as `12+34`, and their answers."""

    name = "sums"
    summary = "generated sums such as 12+34, and their answers"
    config_class = SumsConfig

    def example_gen(self, data: SumsData) -> "BaseBeamComponent":
        """Returns the generator."""
        from components.example_gen.component import SumsExampleGen

        return SumsExampleGen(data)

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Returns the size of the numbers: there is no data to look at."""
        if inputs:
            raise SettingsError(f"sums are generated: leave {inputs[0]!r} out, or name another --family")
        found = ["Sums of two numbers of 1 to 99, 5,000 of them; data.terms, data.largest and data.count make others."]
        return Draft({"largest": 99, "count": 5_000}, found)


FAMILY = SumsFamily()
