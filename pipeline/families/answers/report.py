"""The sections of a report on answers: slices, mistakes, sampled predictions."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.evaluator.results import Evaluation, Slice
from pipeline.families.answers.alignment import align, nearest, split_answer
from pipeline.families.family import Section
from pipeline.report import words
from pipeline.report.figures import describe_figure, read_figures
from pipeline.report.render import render

if TYPE_CHECKING:
    from pipeline.report.contents import Contents

_HERE = os.path.dirname(os.path.abspath(__file__))

# A share of fewer examples says little.
_FEWEST_EXAMPLES = 20

# Characters of a confusion table's side.
_MOST_CHARACTERS = 14


# What a listener hears of the differences that a reader sees.
_STEPS = {"other": "{said} for {right}", "added": "{said} is too much", "left out": "{right} is left out"}


def answer_sections(contents: "Contents", separator: str) -> list[Section]:
    """Returns the sections that a run has got to.

    Args:
      contents: The run.
      separator: What stands between the tokens of an answer; empty if its characters are the tokens.
    """
    sections = []
    evaluation = contents.evaluation
    if evaluation:
        confusion = evaluation.mistakes.get("confusion")
        sections += [
            _section(
                "slices", "Right answers by slice", evaluation=evaluation, gap=largest_gap(evaluation), figure=_figure
            ),
            _section(
                "mistakes",
                "Worst mistakes",
                examples=evaluation.slices[0].examples,
                worst=[describe_mistake(found, separator) for found in evaluation.mistakes.get("worst", [])],
                unit="token" if separator else "character",
                lacking=evaluation.mistakes.get("unsayable"),
                confusions=None if confusion is None else confusions(confusion),
            ),
        ]
    if contents.predictions:
        sections.append(_section("predictions", "Sampled predictions", predictions=contents.predictions))
    return sections


def _section(anchor: str, title: str, **shown: Any) -> Section:
    return Section(anchor, title, render(os.path.join(_HERE, f"{anchor}.html.jinja"), **shown))


def _figure(metrics: Mapping[str, float], name: str) -> str:
    """Returns a share with its interval, in percent; empty if an earlier version did not measure it."""
    return describe_figure(read_figures(metrics).get(name), words.percent)


def describe_mistake(found: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Returns a wrong answer as the page shows it.

    Args:
      found: As the metric WorstAnswers has it.
      separator: What stands between the tokens of an answer; empty if its characters are the tokens.

    Returns:
      `expression`; `said`, the model's answer; `answer`, the right one that is nearest to it; `others` that are right too;
      `steps`, each with `kind`, `right` and `said` as text; `edits`, their number; `words`, what they are; `log_prob`, the
      natural logarithm of the likeliest right answer's probability.
    """
    said, answers = str(found["text"]), [str(found["answer"]), *map(str, found.get("others", []))]
    symbols = [split_answer(answer, separator) for answer in answers]
    own = split_answer(said, separator) if said else []
    chosen = nearest(own, symbols)
    steps = align(symbols[chosen], own)
    texts = [(step.kind, separator.join(step.right), separator.join(step.said)) for step in steps]
    return {
        "expression": found["expression"],
        "said": said,
        "answer": answers[chosen],
        "others": [answer for index, answer in enumerate(answers) if index != chosen],
        "steps": [{"kind": kind, "right": right, "said": wrong} for kind, right, wrong in texts],
        "edits": sum(max(len(step.right), len(step.said)) for step in steps if step.kind != "same"),
        "words": "; ".join(
            _STEPS[kind].format(right=right, said=wrong) for kind, right, wrong in texts if kind in _STEPS
        ),
        "log_prob": found["log_prob"],
    }


def largest_gap(evaluation: Evaluation) -> str:
    """Returns in words which slice lies furthest below all examples together, and which slice has most of the mistakes."""
    overall = evaluation.slices[0]
    slices = [part for part in evaluation.slices[1:] if part.examples >= _FEWEST_EXAMPLES]
    if not slices:
        return "There is no slice large enough to speak of."
    worst = min(slices, key=lambda part: part.metrics["exact_match"])
    if worst.metrics["exact_match"] >= overall.metrics["exact_match"]:
        return "No slice lies below the whole."
    most = max((part for part in slices if part.feature == worst.feature), key=count_mistakes)
    return (
        f"The largest gap is at {worst.feature} {worst.value}: {_describe(worst)}, against {_describe(overall)} of all. "
        f"Most mistakes are at {most.feature} {most.value}: {count_mistakes(most):,} of {count_mistakes(overall):,}, in "
        f"{most.examples / overall.examples:.1%} of the test examples."
    )


def _describe(part: Slice) -> str:
    right = part.examples - count_mistakes(part)
    return f"{right:,} of {part.examples:,} right ({part.metrics['exact_match']:.2%})"


def count_mistakes(part: Slice) -> int:
    """Returns how many of a slice's examples have a wrong answer."""
    return round((1 - part.metrics["exact_match"]) * part.examples)


def confusions(counts: list[tuple[int, str, str, int]]) -> list[dict[str, Any]]:
    """Returns a table for every position at which a character was taken for another, the last position first.

    Args:
      counts: As the metric Confusion has them.

    Returns:
      For each its `position`, from 0 at the end; `mistakes`; the `characters` of both sides, those with most mistakes if there
      are many; `others`, how many have no place; `rows`: for each right character its count under each predicted one.
    """
    tables = []
    for position in sorted({row[0] for row in counts}):
        here = {(right, predicted): count for place, right, predicted, count in counts if place == position}
        mistakes: dict[str, int] = {}
        for (right, predicted), count in here.items():
            for character in (right, predicted):
                mistakes[character] = mistakes.get(character, 0) + (count if right != predicted else 0)
        if not any(mistakes.values()):
            continue
        shown = sorted(sorted(mistakes), key=lambda character: -mistakes[character])[:_MOST_CHARACTERS]
        characters = sorted(shown)
        tables.append(
            {
                "position": position,
                "mistakes": sum(count for (right, predicted), count in here.items() if right != predicted),
                "characters": characters,
                "others": len(mistakes) - len(characters),
                "rows": [[here.get((right, predicted), 0) for predicted in characters] for right in characters],
            }
        )
    return tables
