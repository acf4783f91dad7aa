"""What the SavedModels of both families share: strings in, strings out, a clear refusal of what they cannot read."""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.saved.saved_transform_io_v2 import SavedModelLoader

# A vocabulary larger than this is counted in an error message, not listed.
_LISTED_CHARACTERS = 100


def tracked(model: keras.Model) -> list[tf.Variable]:
    """Returns a model's variables as a SavedModel tracks them.

    Tracked as a Keras model, the variables are not restored in the graph that a session runs, and a session is what TensorFlow
    Serving has; tracked as TensorFlow's own variables they are (and without the optimizer's slots).
    """
    return [variable.value for variable in model.variables]


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

    def __init__(self, weights: Sequence[Any], transform_output: tft.TFTransformOutput, vocabulary: Sequence[str]):
        """Wraps a model.

        Args:
          weights: What has the model's variables, as TensorFlow tracks them: see `tracked`.
          transform_output: The graph that made the training tokens.
          vocabulary: The tokens that the model reads, by index; empty for an index that is none.
        """
        super().__init__()
        self.weights = list(weights)
        # Not Keras's layer around it, which saving would trace again, several times: a third of the time of an export.
        loader = SavedModelLoader(transform_output.transform_savedmodel_dir)
        self.transform = loader.apply_transform_model
        self._transform_resources = vars(loader)  # tables and files are saved with what tracks them
        self.vocabulary = list(vocabulary)
        self._characters = tf.constant([character.encode() for character in self.vocabulary])
        self._known = list_tokens(self.vocabulary)

    def save(self, path: str) -> None:
        """Writes the SavedModel with its signatures."""
        tf.saved_model.save(self, path, signatures={name: getattr(self, name) for name in self.SIGNATURES})

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

    def describe_length(self, name: str, row: tf.Tensor, length: tf.Tensor, longest: int) -> tf.Tensor:
        """Returns what is said of a string that is empty or too long."""
        too_long = functools.partial(
            tf.strings.join,
            [
                _place(name, row),
                " has ",
                tf.strings.as_string(length),
                f" characters: this model reads at most {longest}",
            ],
        )
        return tf.cond(
            length < 1,
            lambda: tf.strings.join([_place(name, row), " is empty: send at least one character"]),
            too_long,
        )

    def describe_unknown(self, name: str, row: tf.Tensor, code_point: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        """Returns what is said of a character that the model does not know, in column `column`, counted from 0."""
        character = tf.strings.unicode_encode(tf.cast(code_point, tf.int32)[tf.newaxis], "UTF-8")
        return describe_token(name, row, character, column, "character", self._known)


def describe_token(name: str, row: tf.Tensor, token: tf.Tensor, column: tf.Tensor, what: str, known: str) -> tf.Tensor:
    """Returns what is said of a token that the model does not know.

    Args:
      name: Of the input.
      row: Its row.
      token: What is unknown.
      column: Its place in the row, counted from 0.
      what: What a token is.
      known: What the model knows.
    """
    position = tf.strings.as_string(column + 1)
    where = _place(name, row)
    accepted = f"this model knows {known}"
    return tf.cond(
        tf.equal(token, "\ufffd"),
        lambda: tf.strings.join([where, f": what stands at {what} ", position, " is not UTF-8: send UTF-8"]),
        lambda: tf.strings.join([where, f": {what} `", token, "` at position ", position, " is unknown: ", accepted]),
    )


def list_tokens(vocabulary: Sequence[str], separator: str = "", what: str = "characters") -> str:
    """Returns a vocabulary as a message lists it, or how many tokens it has if they are many."""
    tokens = sorted(filter(None, vocabulary))
    listed = json.dumps(separator.join(tokens), ensure_ascii=False)[1:-1]
    return f"`{listed}`" if len(tokens) < _LISTED_CHARACTERS else f"{len(tokens)} {what}"


def _place(name: str, row: tf.Tensor) -> tf.Tensor:
    return tf.strings.join([f"{name}[", tf.strings.as_string(row), "]"])
