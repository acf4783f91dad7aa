"""A model's answer beside the right one, symbol by symbol: what was left out, added, or taken for another."""

import dataclasses
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["same", "other", "added", "left out"]


@dataclasses.dataclass(frozen=True)
class Step:
    """Where two answers meet.

    Attributes:
      kind: `same`; `other`: one symbol stands for another; `added`: the model's answer has one too many; `left
        out`: it lacks one.
      right: Symbols of the right answer: one, or several in a row that are of one kind.
      said: Those of the model's answer.
    """

    kind: Kind
    right: tuple[str, ...]
    said: tuple[str, ...]


def split_answer(answer: str, separator: str) -> list[str]:
    """Returns the symbols of an answer, as the Evaluator counts them: its code points, or what is between separators."""
    return answer.split(separator) if separator else list(answer)


def nearest(said: Sequence[str], answers: Sequence[Sequence[str]]) -> int:
    """Returns which of the right answers is the nearest to the model's, of several the longest, as the Evaluator chooses."""
    return min(range(len(answers)), key=lambda index: (_distances(answers[index], said)[-1, -1], -len(answers[index])))


def align(right: Sequence[str], said: Sequence[str]) -> list[Step]:
    """Returns the fewest steps that make one answer of the other, in order (Levenshtein 1966).

    Steps of the same kind that are next to each other are one, but for `other`, which has one symbol of either side.
    """
    costs = _distances(right, said)
    row, column = len(right), len(said)
    steps: list[Step] = []
    while row or column:
        cost = costs[row, column]
        differ = not (row and column) or right[row - 1] != said[column - 1]
        if row and column and costs[row - 1, column - 1] + differ == cost:
            row, column = row - 1, column - 1
            steps.append(Step("other" if differ else "same", (right[row],), (said[column],)))
        elif row and costs[row - 1, column] + 1 == cost:
            row -= 1
            steps.append(Step("left out", (right[row],), ()))
        else:
            column -= 1
            steps.append(Step("added", (), (said[column],)))
    merged: list[Step] = []
    for kind, group in groupby(reversed(steps), key=lambda step: step.kind):
        same_kind = list(group)
        merged += same_kind if kind == "other" else [_join(kind, same_kind)]
    return merged


def _join(kind: Kind, steps: list[Step]) -> Step:
    return Step(kind, tuple(s for step in steps for s in step.right), tuple(s for step in steps for s in step.said))


def _distances(right: Sequence[str], said: Sequence[str]) -> npt.NDArray[np.int32]:
    """Returns the edit distances of all beginnings of two answers: int32 [right + 1, said + 1]."""
    numbers: dict[str, int] = {}
    own = np.array([numbers.setdefault(symbol, len(numbers)) for symbol in said], np.int32)
    places = np.arange(len(said) + 1, dtype=np.int32)
    costs = np.empty((len(right) + 1, len(said) + 1), np.int32)
    costs[0] = places
    for row, symbol in enumerate(right, 1):
        before = costs[row - 1]
        costs[row] = before + 1
        np.minimum(costs[row, 1:], before[:-1] + (own != numbers.get(symbol, -1)), out=costs[row, 1:])
        # A symbol that is added costs 1 more than the cell to the left: a running minimum, less the place in the row.
        costs[row] = np.minimum.accumulate(costs[row] - places) + places
    return costs
