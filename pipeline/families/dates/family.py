"""The family `dates`."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.cleaning.settings import Cleaning
from components.evaluator.settings import GateSettings
from components.example_gen.dates.settings import DatesData
from components.settings import SettingsError
from components.trainer.seq2seq.settings import Seq2SeqSettings
from pipeline.config.settings import Config
from pipeline.families.family import Draft
from pipeline.families.pairs.family import PairsFamily, check_browser

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatesConfig(Config):
    """A task of generated dates."""

    family: str = "dates"
    data: DatesData
    train: Seq2SeqSettings
    gate: GateSettings

    def __post_init__(self) -> None:
        super().__post_init__()
        check_browser(self)


class DatesFamily(PairsFamily):
    """Dates that are generated, such as `de 3. Mai 2021`, and the same in ISO 8601. All else is as for other pairs."""

    name = "dates"
    summary = "generated dates such as 'de 3. Mai 2021', in many languages, to ISO 8601"
    config_class = DatesConfig

    def settle(self, config: Any) -> Any:
        """Returns the configuration as it is.

        Raises:
          SettingsError: CLDR does not know a locale.
        """
        from components.example_gen.dates.formats import find_writer

        for locale in config.data.locales:
            find_writer(locale)
        return config

    def example_gen(self, data: Any) -> "BaseBeamComponent":
        """Returns the generator."""
        from components.example_gen.component import DatesExampleGen

        return DatesExampleGen(data)

    def cleaning(self, config: Any) -> Cleaning:
        """Returns what the generator does: it composes its strings."""
        return Cleaning(byte_order_mark=True, nfc=True)

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Returns the languages: there is no data to look at."""
        if inputs:
            raise SettingsError(f"dates are generated: leave {inputs[0]!r} out, or name another --family")
        defaults = DatesData()
        found = [
            f"{defaults.count:,} dates of {defaults.first_year} to {defaults.last_year} in {len(defaults.locales)} locales."
        ]
        return Draft({"locales": list(defaults.locales)}, found)


FAMILY = DatesFamily()
