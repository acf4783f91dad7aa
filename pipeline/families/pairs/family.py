"""The family `pairs`."""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from components.cleaning.settings import Cleaning
from components.evaluator.settings import GateSettings, Judging
from components.example_gen.settings import PairsData
from components.settings import SettingsError
from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from components.trainer.seq2seq.settings import Seq2SeqSettings
from components.trainer.settings import FitSettings
from pipeline.config.settings import Config
from pipeline.families.answers.family import AnswersFamily
from pipeline.families.family import Draft, Floors

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairsConfig(Config):
    """A task of a user's own pairs."""

    family: str = "pairs"
    data: PairsData
    train: Seq2SeqSettings | AttentionSettings | RecurrentSettings
    gate: GateSettings

    def __post_init__(self) -> None:
        super().__post_init__()
        check_browser(self)


def check_browser(config: Config) -> None:
    """Checks that a model which is to be exported for a browser can be.

    Raises:
      SettingsError: It cannot.
    """
    if config.browser.export and getattr(config.train, "beam", 1) > 1:
        raise SettingsError(
            "browser.export: in a browser a model answers without a beam; leave it out, or set train.beam=1"
        )


def _is_autoregressive(settings: FitSettings) -> bool:
    """Returns whether a model writes its answer token by token, at any length."""
    return settings.TRAINER == Seq2SeqSettings.TRAINER


def _separator(tokens: str) -> str:
    """Returns what stands between tokens, given `data.input_tokens` or `data.target_tokens`; empty for characters."""
    return {"characters": "", "auto": "", "space": " "}.get(tokens, tokens)


class PairsFamily(AnswersFamily):
    """Pairs of strings that a user has, such as words and how they are pronounced."""

    name = "pairs"
    summary = "your own pairs of strings, such as words and their pronunciations"
    config_class: ClassVar[type[Config]] = PairsConfig

    def settle(self, config: PairsConfig) -> PairsConfig:
        """Looks at the data: what the answers are split into, and for models of a fixed length how long the sides are."""
        from pipeline.families.pairs.look import check_pairs, find_lengths

        data = check_pairs(config.data)
        if not _is_autoregressive(config.train):
            data = find_lengths(data)
        return dataclasses.replace(config, data=data)

    def example_gen(self, data: PairsData) -> "BaseBeamComponent":
        """Returns the reader."""
        from components.example_gen.component import PairsExampleGen

        return PairsExampleGen(data)

    def transform_arguments(self, config: PairsConfig) -> dict[str, Any]:
        """Returns the arguments for tokens of any number, or for characters with padding."""
        if not _is_autoregressive(config.train):
            return super().transform_arguments(config)
        return {
            "preprocessing_fn": "components.transform.token_pairs.preprocessing_fn",
            "custom_config": self._separators(config),
        }

    def train_config(self, config: PairsConfig) -> dict[str, Any]:
        """Returns how the model reads and answers."""
        return super().train_config(config) | self._separators(config) | {"unknown": config.data.unknown}

    def cleaning(self, config: PairsConfig) -> Cleaning:
        """Returns what the reader does: it leaves a file's byte order mark out, and composes strings if it is told to."""
        return Cleaning(byte_order_mark=True, nfc=config.data.nfc)

    def judging(self, config: PairsConfig) -> Judging:
        """Returns the figures of answers, without those that only models of a fixed length have."""
        judging = super().judging(config)
        return dataclasses.replace(
            judging,
            figures=tuple(figure for figure in judging.figures if figure.name != "character_accuracy"),
            slices=judging.slices or ("length",),
        )

    def floors(self, config: PairsConfig) -> Floors:
        """Returns copying the input, and the commonest answer."""
        separator = self._separators(config)["target_separator"]
        return Floors("components.floor.answers.floor_fn", json.dumps({"separator": separator}))

    def _separators(self, config: PairsConfig) -> dict[str, str]:
        if not _is_autoregressive(config.train):
            return {"source_separator": "", "target_separator": ""}
        return {
            "source_separator": _separator(config.data.input_tokens),
            "target_separator": _separator(config.data.target_tokens),
        }

    def answer_separator(self, config: Mapping[str, Any]) -> str:
        """Returns what stands between the tokens of an answer; empty for characters."""
        if config.get("train", {}).get("architecture") != Seq2SeqSettings.architecture:
            return ""
        return _separator(config.get("data", {}).get("target_tokens", "characters"))

    def data_section(self, properties: Mapping[str, Any]) -> str:
        """Returns in words what became of the rows, and those that were skipped."""
        summary = self.describe_data(properties)
        if "rows" not in summary:  # pairs that no table has, or counted by an earlier version
            return super().data_section(properties)
        from pipeline.families.pairs.report import describe_rows

        return describe_rows(summary)

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Reads the pairs once and says what is in them."""
        if not inputs:
            raise SettingsError("name the pairs with --data: files, folders or quoted globs")
        from pipeline.families.pairs.look import look_at_pairs

        return look_at_pairs(inputs, data)


FAMILY = PairsFamily()
