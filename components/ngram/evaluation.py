"""How well an n-gram model predicts the evaluation side of a text, every character once."""

import dataclasses
import json
import logging
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from components.evaluator.results import Floor
from components.example_gen.splits import TEST_SPLIT, TRAIN_SPLIT
from components.ngram.reading import read_characters
from components.ngram.settings import NgramSettings
from components.ngram.witten_bell import Characters, WittenBell

_LOG = logging.getLogger("charseq.ngram")


def floor_fn(examples_uri: str, settings_json: str) -> tuple[list[Floor], dict[str, Any]]:
    """Returns what an n-gram model makes of a text's test side; see `components.floor.component`.

    Args:
      examples_uri: Folder of the examples that TextExampleGen made.
      settings_json: JSON of `ngram` (NgramSettings), of `context` and `eval_context`, the settings of the windows, and of
        `stand_in`: whether U+FFFD stands for rare characters.
    """
    settings = json.loads(settings_json)
    ngram = NgramSettings(**settings["ngram"])
    figures = evaluate(
        ngram,
        read_characters(examples_uri, TRAIN_SPLIT, settings["context"] > 0),
        read_characters(examples_uri, TEST_SPLIT, settings["eval_context"] > 0),
        settings["stand_in"],
    )
    metrics = {name: figures[name] for name in ("bits_per_character", "nats_per_character")}
    return [Floor(f"the {ngram.order}-gram model", metrics)], figures


def evaluate(
    settings: NgramSettings, training: Iterable[Characters], evaluation: Iterable[Characters], stand_in: bool = False
) -> dict[str, Any]:
    """Counts one text and predicts another.

    Args:
      settings: Order, and how much to count.
      training: Stretches of the text to count, in order.
      evaluation: Stretches of the text to predict; each follows the one before it.
      stand_in: Whether U+FFFD stands for rare characters.

    Returns:
      `order`, `nats_per_character`, `bits_per_character`, `training_characters`, `test_characters`,
      `distinct_characters`, and `orders`: the first three for every order from 1 up.

    Raises:
      ValueError: A side has no character.
    """
    text = _take(training, settings.most_characters)
    if not len(text.points):
        raise ValueError("the training examples have no character to count")
    model = WittenBell(text, settings.order, stand_in)
    _LOG.info("counted %s characters", f"{len(text.points):,}")
    total, count = np.zeros(settings.order), 0
    # The last characters of a stretch are the context of the next.
    tail = Characters(text.points[:0], text.runs[:0])
    for stretch in evaluation:
        known = len(tail.points)
        joined = _join([tail, stretch])
        total += model.log_probabilities(joined)[:, known:].sum(axis=1)
        count += len(stretch.points)
        kept = max(0, len(joined.points) - (settings.order - 1))
        tail = Characters(joined.points[kept:], joined.runs[kept:])
    if not count:
        raise ValueError("the evaluation examples have no character to predict")
    orders = [_figures(order, -nats / count) for order, nats in enumerate(total.tolist(), 1)]
    return {
        **orders[-1],
        "training_characters": len(text.points),
        "test_characters": count,
        "distinct_characters": len(model.characters),
        "orders": orders,
    }


def _figures(order: int, nats: float) -> dict[str, Any]:
    return {"order": order, "nats_per_character": nats, "bits_per_character": nats / math.log(2)}


def _take(stretches: Iterable[Characters], most: int) -> Characters:
    """Returns the first characters, at most `most`."""
    taken, missing = [], most
    for stretch in stretches:
        taken.append(Characters(stretch.points[:missing], stretch.runs[:missing]))
        missing -= len(taken[-1].points)
        if not missing:
            break
    return _join(taken)


def _join(stretches: list[Characters]) -> Characters:
    columns = (
        np.concatenate([getattr(stretch, field.name) for stretch in stretches] or [np.zeros(0)])
        for field in dataclasses.fields(Characters)
    )
    points, runs = columns
    return Characters(points.astype(np.uint32, copy=False), runs.astype(np.uint8, copy=False))
