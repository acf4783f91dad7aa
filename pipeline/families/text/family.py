"""The family `text`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.cleaning.settings import Cleaning
from components.evaluator.settings import Figure, Judging, TextGateSettings
from components.example_gen.settings import TextData
from components.ngram.settings import NgramSettings
from components.settings import SettingsError, to_values
from components.trainer.language_model.settings import LanguageModelSettings, StreamSettings, WindowSettings
from pipeline.config.settings import Config
from pipeline.config.values import Value, build_section
from pipeline.families.family import Draft, Family, Floors, Headline, Section

if TYPE_CHECKING:
    import tensorflow_data_validation as tfdv
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent

    from pipeline.report.contents import Contents


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(Config):
    """A task of a text.

    Attributes:
      ngram: The model without a network that a language model must beat.
    """

    family: str = "text"
    data: TextData
    train: StreamSettings | WindowSettings
    gate: TextGateSettings
    ngram: NgramSettings = dataclasses.field(default_factory=NgramSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.browser.export:
            raise SettingsError(
                f"browser.export: {self.task} writes text, and there is no page for that; sums and pairs have one"
            )
        if self.data.context < 1 and "window" in {field.name for field in dataclasses.fields(self.train)}:
            raise SettingsError(
                "train.architecture=window needs data.context, the characters that a prediction reads, such as 40; and "
                "data.length=1, data.step=1 and data.eval_context as large"
            )


class TextFamily(Family):
    """A text that a model learns to continue. Bits per character decide."""

    name = "text"
    summary = "language models of characters, of a book or any other text"
    config_class = TextConfig
    request_fn = "components.infra_validator.requests.prompt_requests"

    def example_gen(self, data: TextData) -> "BaseBeamComponent":
        """Returns the reader."""
        from components.example_gen.component import TextExampleGen

        return TextExampleGen(data)

    def statistics_options(self) -> "tfdv.StatsOptions":
        """Returns options that keep the count of every character of a text: drift compares them all."""
        from components.infra_validator.request_statistics import MOST_CHARACTERS

        options = super().statistics_options()
        options.num_rank_histogram_buckets = MOST_CHARACTERS
        return options

    def transform_arguments(self, config: TextConfig) -> dict[str, Any]:
        """Returns the arguments for indexing windows."""
        return {"preprocessing_fn": "components.transform.text.preprocessing_fn"}

    def train_settings(self, config: TextConfig) -> LanguageModelSettings:
        """Returns the settings, and where there are windows, how long they are."""
        changes: dict[str, Any] = {
            field.name: config.data.context
            for field in dataclasses.fields(config.train)
            if field.metadata.get("derived") == "data.context"
        }
        return dataclasses.replace(config.train, **changes)

    def train_config(self, config: TextConfig) -> dict[str, Any]:
        """Returns what prompts are cleaned by, and whether U+FFFD stands for rare characters."""
        data = config.data
        cleaning = Cleaning(byte_order_mark=True, line_ends=True, lowercase=data.lowercase, nfc=data.nfc)
        return {"cleaning": to_values(cleaning), "stand_in": _has_stand_in(data)}

    def judging(self, config: TextConfig) -> Judging:
        """Returns the figures of a language model."""
        ratio = {"numerator": "log_prob", "denominator": "characters", "sign": -1.0}
        units = {"bits_per_character": "bits", "nats_per_character": "", "perplexity": "perplexity"}
        return Judging(
            label="text",
            figures=tuple(
                Figure(name, "components.evaluator.metrics.Ratio", ratio | {"unit": unit})
                for name, unit in units.items()
            ),
            mistakes=("components.evaluator.mistakes.WorstPassages", "components.evaluator.mistakes.Unsayable"),
            slices=config.gate.slices,
            rule=config.gate.rule,
        )

    def floors(self, config: TextConfig) -> Floors:
        """Returns the n-gram model."""
        data = config.data
        settings = {
            "ngram": dataclasses.asdict(config.ngram),
            "context": data.context,
            "eval_context": data.eval_context,
            "stand_in": _has_stand_in(data),
        }
        return Floors("components.ngram.evaluation.floor_fn", json.dumps(settings, sort_keys=True))

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Reads a text once and says what is in it."""
        if len(inputs) != 1:
            raise SettingsError("name the text with --data: one file, folder, quoted glob, or name of the catalogue")
        from pipeline.families.text.look import describe_text

        settings = {name: Value(text, f"--set data.{name}={text}", is_text=True) for name, text in data.items()}
        read = build_section("data", (TextData,), {"corpus": Value(inputs[0])} | settings)
        return Draft({"corpus": inputs[0]}, describe_text(read))

    def headlines(self, contents: "Contents") -> Sequence[Headline]:
        """Returns bits per character, beside those of the n-gram model."""
        evaluation = contents.evaluation
        if evaluation is None:
            return ()
        from pipeline.report import words
        from pipeline.report.figures import describe_headline

        name = "bits_per_character"
        return (
            Headline(
                "Bits per character", *describe_headline(name, evaluation.metrics, evaluation.baseline, words.number)
            ),
            *(Headline(f"… of {floor.name}", words.number(floor.metrics[name])) for floor in evaluation.floors),
        )

    def sections(self, contents: "Contents") -> Sequence[Section]:
        """Returns the hardest passages and the generated text."""
        from pipeline.families.text.report import text_sections

        return text_sections(contents)


def _has_stand_in(data: TextData) -> bool:
    """Returns whether U+FFFD stands for rare characters in the training text.

    With a `min_count` of 1 no character of it is replaced: where U+FFFD is in it, it was there before.
    """
    return data.min_count > 1


FAMILY = TextFamily()
