"""Warm start: a training that begins from the weights of the version that is being served, TFX's `base_model`.

A version carries its weights beside the SavedModel, as training needs them: the graph of the SavedModel holds them in another
form. The tokens that both models know keep what was learned of them, wherever they stand in the vocabulary; new tokens get
fresh values.
"""

import dataclasses
import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.files import write_file
from components.trainer.checkpoint import fingerprint
from components.trainer.weights_file import read_arrays, write_arrays
from serving.contract.layout import SAVED_MODEL_NAMES, WEIGHTS_PATH

_LOG = logging.getLogger("charseq.trainer")

# The file for the report, in the folder of what a run leaves for people to look at.
WARM_START_NAME = "warm_start.json"

Array = npt.NDArray[np.float32]

# A vocabulary: a token for each index, the empty string for an index without a token.
Tokens = Sequence[str]

# Makes an untrained model, given the size of each vocabulary.
Build = Callable[..., keras.Model]


def save_weights(model: keras.Model, vocabularies: Sequence[Tokens], model_dir: str) -> None:
    """Writes a trained model's weights beside its SavedModel, for a later training to begin from.

    Args:
      model: The model.
      vocabularies: Those that its sizes follow from.
      model_dir: Folder of the SavedModel.
    """
    arrays = {str(index): keras.ops.convert_to_numpy(weight) for index, weight in enumerate(model.trainable_variables)}
    tokens = np.array(json.dumps([list(tokens) for tokens in vocabularies]))
    write_arrays(os.path.join(model_dir, WEIGHTS_PATH), {"tokens": tokens, **arrays})


@dataclasses.dataclass(frozen=True)
class WarmStart:
    """What a training begins with.

    Attributes:
      weights: Values of all trainable variables of the new model, in order; None if nothing could be taken over.
      fingerprint: A name for `weights`, for the checkpoint's; empty if there are none.
      summary: For people: `taken`, the share of the weights that come from the served version; `new` and `gone`, the tokens
        that only the new model has and that only the served one has; `reason`, why nothing was taken, or the empty string.
    """

    weights: list[Array] | None
    fingerprint: str
    summary: dict[str, Any]

    def apply(self, model: keras.Model) -> keras.Model:
        """Returns the model, its trainable variables set."""
        for variable, value in zip(model.trainable_variables, self.weights or (), strict=self.weights is not None):
            variable.assign(value)
        return model

    def write_summary(self, run_dir: str) -> None:
        """Says in the log and in a file what was taken over."""
        summary = self.summary
        if summary["reason"]:
            _LOG.warning("no warm start: %s", summary["reason"])
        else:
            new, gone = (sum(map(len, summary[side])) for side in ("new", "gone"))
            _LOG.info(
                "warm start: %.1f%% of the weights are those of the served version; %d tokens are new, %d are gone",
                100 * summary["taken"],
                new,
                gone,
            )
        write_file(os.path.join(run_dir, WARM_START_NAME), json.dumps(summary, ensure_ascii=False).encode())


# A training that begins from nothing because it was not asked for more.
COLD_START = WarmStart(None, "", {})


def prepare(
    settings: Any, base_model: str | None, vocabularies: Sequence[Tokens], build: Build, run_dir: str = ""
) -> WarmStart:
    """Returns what a training begins with, and says so where a warm start was asked for.

    Args:
      settings: FitSettings of the training.
      base_model: Folder of the served version's SavedModel, which may not exist; TFX's `fn_args.base_model`.
      vocabularies: Those of the new model.
      build: Makes an untrained model, given the size of each vocabulary.
      run_dir: Folder of what a run leaves for people to look at.
    """
    if not settings.warm_start:
        return COLD_START
    keras.utils.set_random_seed(settings.seed)
    start = _take_over(base_model or "", vocabularies, build)
    start.write_summary(run_dir)
    return start


def _take_over(base_model: str, vocabularies: Sequence[Tokens], build: Build) -> WarmStart:
    def nothing(reason: str) -> WarmStart:
        return WarmStart(None, "", {"taken": 0.0, "new": [], "gone": [], "reason": reason})

    if not any(tf.io.gfile.exists(os.path.join(base_model, name)) for name in SAVED_MODEL_NAMES):
        return nothing("no version of this model is served yet")
    stored = read_arrays(os.path.join(base_model, WEIGHTS_PATH))
    if not stored:
        return nothing("the served version has no weights to begin from: another version of charseq made it")
    known: list[list[str]] = json.loads(str(stored["tokens"]))
    old = [stored[str(index)] for index in range(len(stored) - 1)]
    if len(known) != len(vocabularies):
        return nothing("the served version is a model of another kind")
    sizes = [len(tokens) for tokens in vocabularies]
    fresh = [keras.ops.convert_to_numpy(variable) for variable in build(*sizes).trainable_variables]
    axes = _token_axes(build, sizes, [value.shape for value in fresh])
    if len(old) != len(fresh):
        return nothing(f"the served version has {len(old)} variables, and the new model has {len(fresh)}")
    weights, taken = [], 0
    for value, before, of_variable in zip(fresh, old, axes, strict=True):
        places = [_matching(value, before, axis, of_variable, vocabularies, known) for axis in range(value.ndim)]
        if value.ndim != before.ndim or any(place is None for place in places):
            return nothing(
                f"a variable of the served version has the shape {list(before.shape)}, and in the new model "
                f"{list(value.shape)}: its settings, or the lengths of its data, are others"
            )
        target, source = (np.ix_(*(place[side] for place in places if place)) for side in (0, 1))
        value = value.copy()
        value[target] = before[source]
        taken += math.prod(len(place[0]) for place in places if place)
        weights.append(value)
    summary = {
        "taken": taken / sum(value.size for value in fresh),
        "new": [sorted(set(new) - set(before)) for new, before in zip(vocabularies, known, strict=True)],
        "gone": [sorted(set(before) - set(new)) for new, before in zip(vocabularies, known, strict=True)],
        "reason": "",
    }
    return WarmStart(weights, fingerprint(*weights), summary)


def _token_axes(build: Build, sizes: Sequence[int], shapes: Sequence[tuple[int, ...]]) -> list[dict[int, int]]:
    """Returns, for each trainable variable, the vocabulary of each axis that has a row for every token.

    An axis has one if it grows when the vocabulary does, so no architecture has to say which of its variables these are.

    Args:
      build: Makes an untrained model, given the size of each vocabulary.
      sizes: Size of each vocabulary.
      shapes: Shape of each variable with these sizes.
    """
    axes: list[dict[int, int]] = [{} for _ in shapes]
    for vocabulary in range(len(sizes)):
        larger = build(*(size + (index == vocabulary) for index, size in enumerate(sizes)))
        for found, shape, grown in zip(axes, shapes, larger.trainable_variables, strict=True):
            found |= {axis: vocabulary for axis in range(len(shape)) if grown.shape[axis] != shape[axis]}
    return axes


def _matching(
    value: Array,
    before: Array,
    axis: int,
    token_axes: dict[int, int],
    vocabularies: Sequence[Tokens],
    known: Sequence[Tokens],
) -> tuple[list[int], list[int]] | None:
    """Returns the rows of an axis that mean the same in both variables: indices in the new one and in the old one.

    Returns:
      None if the axis has another length and is none of tokens.
    """
    length, old_length = (array.shape[axis] if axis < array.ndim else -1 for array in (value, before))
    if axis not in token_axes:
        return (list(range(length)), list(range(length))) if length == old_length else None
    new_tokens, old_tokens = (tokens[token_axes[axis]] for tokens in (vocabularies, known))
    # An output that never says the first tokens of the vocabulary has no rows for them.
    skipped, old_skipped = len(new_tokens) - length, len(old_tokens) - old_length
    if skipped != old_skipped:
        return None
    place = {_name(old_tokens, index): index for index in range(len(old_tokens))}
    both = [
        (index, place[name]) for index in range(skipped, len(new_tokens)) if (name := _name(new_tokens, index)) in place
    ]
    both = [(index, old_index) for index, old_index in both if old_index >= old_skipped]
    return [index - skipped for index, _ in both], [old_index - skipped for _, old_index in both]


def _name(tokens: Tokens, index: int) -> str | int:
    """Returns what a token is known by: itself, or its index if it has no name, as padding."""
    return tokens[index] or index
