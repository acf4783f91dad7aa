"""Histories in the fields of a table: many numbers of one series in a row."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data.series.reading import parse_values

Histories = npt.NDArray[np.float32]


def format_history(values: Sequence[float]) -> str:
    """Returns numbers as `read_histories` reads them: a JSON list."""
    return json.dumps(list(values))


def read_histories(texts: Sequence[str | None], length: int) -> tuple[Histories, list[str | None]]:
    """Reads the ends of histories.

    A history is numbers with blanks, commas or semicolons between them, the latest last, perhaps in brackets, as in JSON.
    What is empty at both ends is no value, as in a table that has a column for each step and series of several lengths.

    Args:
      texts: A history each; None is left out.
      length: How many values are needed, the latest.

    Returns:
      float32 [N, length]; and why a text is no history, None where it is one or was left out. Its row is then 0.
    """
    values = np.zeros((len(texts), length), np.float32)
    reasons: list[str | None] = [None] * len(texts)
    for row, text in enumerate(texts):
        if text is None:
            continue
        found = _parse(text)
        if isinstance(found, str):
            reasons[row] = found
        elif len(found) < length:
            reasons[row] = (
                f"the history has {len(found):,} values, and this model reads {length:,}; give at least as many"
            )
        else:
            with np.errstate(over="ignore"):  # what is too large is said below
                end = found[-length:].astype(np.float32)
            wrong = np.flatnonzero(~np.isfinite(end))
            if len(wrong):
                place = len(found) - length + int(wrong[0])
                kind = "is missing" if np.isnan(found[place]) else f"is {found[place]:g}, too large for float32"
                reasons[row] = (
                    f"value {place + 1:,} of the history {kind}; this model reads finite numbers: fill it before"
                )
            else:
                values[row] = end
    return values, reasons


def _parse(text: str) -> npt.NDArray[np.float64] | str:
    """Returns the numbers of a text, NaN for one that is missing; or what is wrong with it."""
    body = text.strip()
    if body[:1] == "[" and body[-1:] == "]":
        body = body[1:-1]
    separator = ";" if ";" in body else "," if "," in body else None
    pieces = [piece.strip() for piece in body.split(separator)]
    while pieces and not pieces[-1]:
        pieces.pop()
    first = next((index for index, piece in enumerate(pieces) if piece), 0)
    pieces = pieces[first:]
    try:
        return np.array(pieces, np.float64)
    except ValueError:
        numbers, wrong = parse_values(pieces)
    if wrong.any():
        return (
            f"{pieces[int(np.argmax(wrong))]!r} is no finite number; write a history like 12.5 13 12.8, the latest last"
        )
    return numbers
