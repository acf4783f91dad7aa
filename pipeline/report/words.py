"""The report's words and figures: short functions from results to text, and the filters of its templates."""

import datetime
import math
from typing import Any

from components.evaluator.results import Check, Evaluation, Slice

# A share of fewer examples says little.
_FEWEST_EXAMPLES = 20

# Characters of a confusion table's side.
_MOST_CHARACTERS = 14

# A probability below this is said as one in so many.
_SMALL_SHARE = 1e-4


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
        f"{most.examples / overall.examples:.1%} of the unseen examples."
    )


def _describe(part: Slice) -> str:
    right = part.examples - count_mistakes(part)
    return f"{right:,} of {part.examples:,} right ({part.metrics['exact_match']:.2%})"


def count_mistakes(part: Slice) -> int:
    """Returns how many of a slice's examples have a wrong answer."""
    return round((1 - part.metrics["exact_match"]) * part.examples)


def describe_check(check: Check) -> str:
    """Returns in words what a bound of the gate is held against."""
    name = check.metric.replace("_", " ")
    return f"change of {name} against the version being served" if check.change else f"{name} on all unseen examples"


def describe_bound(check: Check) -> str:
    """Returns a bound in words."""
    words = f"at {'least' if check.least else 'most'} "
    return words + (f"{check.bound:+.4f}" if check.change else f"{check.bound:.4f}")


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


def number(value: Any) -> str:
    """Returns a number for reading; what is none stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.3g}"
    return f"{value:,.4f}" if abs(value) < 10 else f"{value:,.2f}"


def percent(share: float) -> str:
    """Returns a share in percent."""
    return f"{share:.2%}"


def probability(log_prob: float) -> str:
    """Returns a probability, given its natural logarithm."""
    share = math.exp(log_prob)
    if share >= _SMALL_SHARE:
        return f"{share:.2%}"
    return f"1 in {math.exp(-log_prob):,.0f}" if log_prob > -30 else f"1 in 10^{-log_prob / math.log(10):.0f}"


def seconds(value: float) -> str:
    """Returns a time span."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def moment(value: float) -> str:
    """Returns a time, given in seconds since 1970, as this machine's clock shows it."""
    return datetime.datetime.fromtimestamp(value).strftime("%Y-%m-%d %H:%M:%S")


def visible(character: str) -> str:
    """Returns a character so that it can be seen, also where there is none."""
    names = {"": "none", " ": "space", "\n": "newline", "\t": "tab"}
    return names.get(character, character if character.isprintable() else f"U+{ord(character):04X}")
