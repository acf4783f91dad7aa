"""Floors of answers: copying the input, and the commonest answer of training."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from components.evaluator.results import Floor
from components.example_gen.shards import split_files
from components.example_gen.splits import TEST_SPLIT, TRAIN_SPLIT
from components.trainer.judging import ANSWERS, nearest_answer, parse_answers
from components.transform.preprocessing import EXPRESSION

_BATCH = 4_096

# Different answers that are counted at a time; the rarest give way.
_COUNTED = 200_000


def floor_fn(examples_uri: str, settings_json: str) -> tuple[list[Floor], dict[str, Any]]:
    """Returns what two ways to answer without learning reach; see `components.floor.component`.

    Args:
      examples_uri: Folder of the examples.
      settings_json: JSON with `separator`, what stands between two tokens of an answer; empty if characters are tokens.
    """
    separator = json.loads(settings_json)["separator"]
    counts: Counter[bytes] = Counter()
    for parsed in _batches(examples_uri, TRAIN_SPLIT):
        counts.update(parsed[ANSWERS].flat_values.numpy().tolist())
        if len(counts) > _COUNTED:
            counts = Counter(dict(counts.most_common(_COUNTED // 2)))
    commonest = min(counts, key=lambda answer: (-counts[answer], answer))
    shown = commonest.decode()
    answers: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
        "copying the input": lambda inputs: inputs,
        f"the commonest answer, {shown!r}": lambda inputs: tf.fill(tf.shape(inputs), commonest),
    }
    right, edits, tokens = (dict.fromkeys(answers, 0.0) for _ in range(3))
    examples = 0
    for parsed in _batches(examples_uri, TEST_SPLIT):
        examples += int(parsed[EXPRESSION].shape[0])
        for name, answer in answers.items():
            fewest, reference = nearest_answer(answer(parsed[EXPRESSION]), parsed[ANSWERS], separator)
            right[name] += float(tf.reduce_sum(tf.cast(fewest == 0, tf.float32)))
            edits[name] += float(tf.reduce_sum(fewest))
            tokens[name] += float(tf.reduce_sum(reference))
    floors = [
        Floor(name, {"exact_match": right[name] / examples, "error_rate": edits[name] / max(tokens[name], 1.0)})
        for name in answers
    ]
    return floors, {}


def _batches(examples_uri: str, split: str) -> Iterator[dict[str, Any]]:
    for examples in tf.data.TFRecordDataset(split_files(examples_uri, split), "GZIP").batch(_BATCH):
        yield parse_answers(examples)
