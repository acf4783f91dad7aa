"""The floor: what the shop's rules reach on the test examples."""

import json
import re
from typing import Any

import tensorflow as tf

from components.evaluator.results import Floor
from components.example_gen.shards import split_files
from components.example_gen.splits import TEST_SPLIT
from components.floor import answers
from components.trainer.judging import ANSWERS, nearest_answer, parse_answers
from components.transform.preprocessing import EXPRESSION

_WORDS = {"zn": "zinc", "a2": "stainless", "inox": "stainless", "ms": "brass"}
_SIZE = re.compile(r"M?(\d+) ?X ?(\d+)(MM)?", re.IGNORECASE)


def apply_rules(name: str) -> str:
    """Returns what the rules make of a supplier's name: the size, and the words that they know."""
    size = _SIZE.search(name)
    words = [_WORDS.get(word, word) for word in _SIZE.sub("", name).lower().replace(",", "").split()]
    return " ".join([*words[:-1], f"M{size[1]}x{size[2]}" if size else "", *words[-1:]])


def floor_fn(examples_uri: str, settings_json: str) -> tuple[list[Floor], dict[str, Any]]:
    """Returns the floors of pairs and that of the rules: a `components.floor.component.FloorFn`.

    Args:
      examples_uri: Folder of the examples.
      settings_json: JSON with `separator`, what stands between two tokens of an answer; empty if characters are tokens.
    """
    floors, details = answers.floor_fn(examples_uri, settings_json)
    separator = json.loads(settings_json)["separator"]
    right = edits = tokens = examples = 0.0
    for batch in tf.data.TFRecordDataset(split_files(examples_uri, TEST_SPLIT), "GZIP").batch(4_096):
        parsed = parse_answers(batch)
        said = [apply_rules(name.decode()) for name in parsed[EXPRESSION].numpy()]
        fewest, length = nearest_answer(tf.constant(said), parsed[ANSWERS], separator)
        examples += len(said)
        right += float(tf.reduce_sum(tf.cast(fewest == 0, tf.float32)))
        edits += float(tf.reduce_sum(fewest))
        tokens += float(tf.reduce_sum(length))
    rules = Floor("the shop's rules", {"exact_match": right / examples, "error_rate": edits / tokens})
    return [*floors, rules], details
