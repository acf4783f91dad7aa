"""The base of families whose models answer a string with a string."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.cleaning.settings import NO_CLEANING, Cleaning
from components.evaluator.settings import Figure, Judging
from components.settings import to_values
from pipeline.families.family import Family, Headline, Section

if TYPE_CHECKING:
    from pipeline.report.contents import Contents

_METRICS = "components.evaluator.metrics"


class AnswersFamily(Family):
    """A model that answers. The share of whole answers that are right decides."""

    request_fn = "components.infra_validator.requests.answer_requests"

    def transform_arguments(self, config: Any) -> dict[str, Any]:
        """Returns the arguments for character indexing with padding."""
        return {
            "preprocessing_fn": "components.transform.preprocessing.preprocessing_fn",
            "custom_config": {"input_length": config.data.input_length, "output_length": config.data.output_length},
        }

    def train_config(self, config: Any) -> dict[str, Any]:
        """Returns what requests are cleaned by."""
        return {"cleaning": to_values(self.cleaning(config))}

    def cleaning(self, config: Any) -> Cleaning:
        """Returns how the strings of the examples were cleaned."""
        return NO_CLEANING

    def judging(self, config: Any) -> Judging:
        """Returns the figures of answers."""
        return Judging(
            label="answer",
            figures=(
                Figure("exact_match", f"{_METRICS}.Share"),
                Figure(
                    "error_rate",
                    f"{_METRICS}.Ratio",
                    {"numerator": "edits", "denominator": "reference_tokens", "least": 0.0},
                ),
                Figure("character_accuracy", f"{_METRICS}.MeanOutput", {"least": 0.0, "most": 1.0}),
                Figure("log_prob", f"{_METRICS}.MeanOutput", {"most": 0.0}),
            ),
            mistakes=tuple(
                f"components.evaluator.mistakes.{name}" for name in ("WorstAnswers", "Confusion", "Unsayable")
            ),
            slices=config.gate.slices,
            rule=config.gate.rule,
        )

    def headlines(self, contents: "Contents") -> Sequence[Headline]:
        """Returns the share of right answers."""
        evaluation = contents.evaluation
        if evaluation is None:
            return ()
        from pipeline.report import words
        from pipeline.report.figures import describe_headline

        said = describe_headline("exact_match", evaluation.metrics, evaluation.baseline, words.percent)
        return (
            Headline("Whole answers right", *said),
            Headline("Test examples", words.number(evaluation.slices[0].examples)),
        )

    def sections(self, contents: "Contents") -> Sequence[Section]:
        """Returns slices, mistakes and sampled predictions."""
        from pipeline.families.answers.report import answer_sections

        return answer_sections(contents, self.answer_separator(contents.run.config))

    def answer_separator(self, config: Mapping[str, Any]) -> str:
        """Returns what stands between the tokens of an answer, given a run's noted configuration; empty for characters."""
        return ""
