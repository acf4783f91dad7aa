"""What the SavedModels share: strings in, strings out, a clear refusal of what they cannot read."""

import dataclasses
import functools
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

from components.cleaning.cleaner import Cleaner
from components.cleaning.names import CharacterNames
from components.cleaning.settings import Cleaning
from components.files import write_file
from components.transform.preprocessing import code_points
from components.transform.token_pairs import split
from serving.contract.layout import BATCHING_PARAMETERS_NAME, NUMERIC_PATH

# A vocabulary larger than this is counted in an error message, not listed.
_LISTED_TOKENS = 100


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a model reads the strings of an input, as far as a refusal says it.

    Attributes:
      vocabulary: The tokens that the model knows; an empty string is not a token.
      longest: Most tokens of a string.
      separator: What stands between two tokens; empty if every character is one.
    """

    vocabulary: Sequence[str]
    longest: int
    separator: str = ""

    @property
    def unit(self) -> str:
        """What a token is called."""
        return "token" if self.separator else "character"

    def list_known(self) -> str:
        """Returns the vocabulary as a message lists it, or how many tokens it has if they are many."""
        tokens = sorted(filter(None, self.vocabulary))
        if len(tokens) >= _LISTED_TOKENS:
            return f"{len(tokens)} {self.unit}s"
        listed = json.dumps(self.separator.join(tokens), ensure_ascii=False)[1:-1]
        return f"`{listed}`"


def tracked(model: keras.Model) -> list[tf.Variable]:
    """Returns a model's variables as a SavedModel tracks them.

    Tracked as a Keras model, the variables are not restored in the graph that a session runs, and a session is what TensorFlow
    Serving has; tracked as TensorFlow's own variables they are (and without the optimizer's slots).
    """
    return [variable.value for variable in model.variables]


def save_signatures(module: tf.Module, path: str, signatures: Sequence[str], batching: str) -> None:
    """Writes a SavedModel and how a server should batch requests to it.

    Args:
      module: The model.
      path: Folder for the SavedModel.
      signatures: Its methods that are signatures.
      batching: Text of a `BatchingParameters`; if it is empty, nothing is said about batching.
    """
    tf.saved_model.save(module, path, signatures={name: getattr(module, name) for name in signatures})
    if batching:
        write_file(os.path.join(path, BATCHING_PARAMETERS_NAME), batching.encode())


def graph_function(**inputs: tf.TensorSpec | tf.DType) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a method as a graph of named inputs, a dtype being a [N]. It has no Python branches for AutoGraph."""
    signature = [
        tf.TensorSpec([None], spec, name) if isinstance(spec, tf.DType) else tf.TensorSpec(spec.shape, spec.dtype, name)
        for name, spec in inputs.items()
    ]
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]] = tf.function(
        input_signature=signature, autograph=False
    )
    return decorate


class StringModel(tf.Module):
    """A trained model with the graph of Transform before it and its decoding behind it."""

    # The methods that are signatures of the SavedModel.
    SIGNATURES: tuple[str, ...] = ()
    # How a server batches, with --enable_per_model_batching_parameters: text of its `BatchingParameters`; empty: as it likes.
    BATCHING: str = ""

    def __init__(
        self,
        weights: Sequence[Any],
        transform_output: tft.TFTransformOutput,
        vocabulary: Sequence[str],
        cleaning: Cleaning,
    ):
        """Wraps a model.

        Args:
          weights: What has the model's variables, as TensorFlow tracks them: see `tracked`.
          transform_output: The graph that made the training tokens.
          vocabulary: The tokens that the model reads, by index; empty for an index without a token.
          cleaning: How the strings of the examples were cleaned; what is asked is cleaned in the same way.
        """
        super().__init__()
        self.clean = Cleaner(cleaning)
        self._names = CharacterNames()
        self.weights = list(weights)
        # Not Keras's layer around it, which saving would trace again, several times: a third of the time of an export.
        loader = SavedModelLoader(transform_output.transform_savedmodel_dir)
        self.transform = loader.apply_transform_model
        self._transform_resources = vars(loader)  # tables and files are saved with what tracks them
        self.vocabulary = list(vocabulary)
        self._characters = tf.constant([character.encode() for character in self.vocabulary])

    def save(self, path: str) -> None:
        """Writes the SavedModel with its signatures, how a server should batch requests to it, and what `numeric` needs."""
        save_signatures(self, path, self.SIGNATURES, self.BATCHING)
        if described := self.describe_numeric():
            write_file(os.path.join(path, NUMERIC_PATH), json.dumps(described, ensure_ascii=False).encode())

    def describe_numeric(self) -> dict[str, Any]:
        """Returns what somebody needs who answers strings with the signature `numeric`; empty without that signature."""
        return {}

    def refuse(self, refused: tf.Tensor, describe: Callable[[tf.Tensor], tf.Tensor]) -> tf.Operation:
        """Returns an operation that fails with INVALID_ARGUMENT if any row is refused.

        Args:
          refused: bool [N].
          describe: Returns, for the index of the first such row, what is said of it: string scalar.
        """

        def fail() -> tf.Operation:
            reason = describe(tf.argmax(refused, output_type=tf.int32))
            return tf.debugging.Assert(tf.constant(False), [reason])

        return tf.cond(tf.reduce_any(refused), fail, tf.no_op)

    def place(self, name: str, row: tf.Tensor, sent: tf.Tensor, cleaned: tf.Tensor) -> tf.Tensor:
        """Returns what a message calls one of the strings [N] of an input: string [].

        Lengths and positions are those of the cleaned string, so the message says if that is another one.

        Args:
          name: The input.
          row: Which of its strings, int32 [].
          sent: The strings as they were sent, [N].
          cleaned: The same, cleaned.
        """
        where = tf.strings.join([f"{name}[", tf.strings.as_string(row), "]"])
        note = tf.where(sent[row] == cleaned[row], "", f" (after cleaning: {self.clean.description})")
        return tf.strings.join([where, note])

    def describe_string(
        self, where: tf.Tensor, text: tf.Tensor, unknown: tf.Tensor, wrong_length: tf.Tensor, reading: Reading
    ) -> tf.Tensor:
        """Returns what is said of a string that is refused: string [].

        Args:
          where: What it is called, string [].
          text: The string, [].
          unknown: Which of its tokens the model does not know, bool [tokens, or more].
          wrong_length: Whether it has too few or too many tokens, bool [].
          reading: How it is read.
        """
        tokens = split(text[tf.newaxis], reading.separator)[0]

        def describe_unknown() -> tf.Tensor:
            column = tf.argmax(unknown, output_type=tf.int32)
            name = self._names(tf.cast(code_points(tokens[column : column + 1])[0], tf.int32))
            position = tf.strings.as_string(column + 1)
            known = f" is unknown: this model knows {reading.list_known()}"
            return tf.strings.join([where, f": {reading.unit} ", name, " at position ", position, known])

        return tf.case(
            [
                (wrong_length, lambda: _describe_length(where, tf.size(tokens), reading)),
                (unreadable(text), lambda: _describe_unreadable(where, text)),
            ],
            default=describe_unknown,
        )


def unreadable(text: tf.Tensor) -> tf.Tensor:
    """Returns which strings, of any shape, are not UTF-8: bool of that shape."""
    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace") != text


def _describe_length(where: tf.Tensor, length: tf.Tensor, reading: Reading) -> tf.Tensor:
    """Returns what is said of a string, called `where`, that is empty or too long."""
    limit = f" {reading.unit}s: this model reads at most {reading.longest}"
    too_long = functools.partial(tf.strings.join, [where, " has ", tf.strings.as_string(length), limit])
    empty = functools.partial(tf.strings.join, [where, f" is empty: send at least one {reading.unit}"])
    return tf.cond(length < 1, empty, too_long)


def _describe_unreadable(where: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
    """Returns what is said of a string [], called `where`, that is not UTF-8."""
    # What two replacements show differently is what was replaced: a U+FFFD of the text itself is not.
    points = code_points(text[tf.newaxis])[0]
    others = tf.strings.unicode_decode(text, "UTF-8", errors="replace", replacement_char=ord("?"))
    column = tf.argmax(points != tf.cast(others, points.dtype), output_type=tf.int32)
    position = tf.strings.as_string(column + 1)
    return tf.strings.join([where, ": what stands at character ", position, " is not UTF-8: send UTF-8"])
