"""A language model a character at a time: what it has read is a state, and the state says what comes next."""

import abc
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.trainer.fitting import OUTPUT_LAYER
from components.trainer.language_model.models import INPUTS, recurrent_name
from components.trainer.language_model.sampling import SamplingInputs, sample, uniforms
from components.trainer.language_model.settings import LanguageModelSettings

# A state: float32 tensors [N, ...], the first one [N, 1] with the number of characters read.
State = list[tf.Tensor]


class CharacterModel(abc.ABC):
    """A trained model read character by character, without dropout."""

    def __init__(self, model: keras.Model, settings: LanguageModelSettings, first: tf.Tensor):
        """Takes a model apart.

        Args:
          model: As `build_model` made it from `settings`.
          settings: Its settings.
          first: Natural-log probabilities of a text's first character, float32 [vocabulary].
        """
        self._inputs = model.get_layer(INPUTS)
        self._cells = [model.get_layer(recurrent_name(index)).cell for index in range(settings.layers)]
        self._output = model.get_layer(OUTPUT_LAYER)
        self._first = first
        self._cell_widths = [width for cell in self._cells for width in _state_widths(cell)]

    @property
    def state_widths(self) -> list[int]:
        """Widths of a state's tensors."""
        return [1, *self._cell_widths]

    def initial_state(self, batch: tf.Tensor) -> State:
        """Returns the state of `batch` rows that have read nothing."""
        return [tf.zeros([batch, width]) for width in self.state_widths]

    def log_probabilities(self, state: State) -> tf.Tensor:
        """Returns the natural-log probabilities of the next character, float32 [N, vocabulary]."""
        logits = tf.nn.log_softmax(tf.cast(self._output(self._features(state)), tf.float32))
        return tf.where(state[0] > 0, logits, self._first)

    @abc.abstractmethod
    def advance(self, state: State, tokens: tf.Tensor) -> State:
        """Returns the state after reading one more character a row, int32 [N]."""

    @abc.abstractmethod
    def _features(self, state: State) -> tf.Tensor:
        """Returns what the output layer reads, [N, units]."""

    def _step(self, tokens: tf.Tensor, states: list[tf.Tensor], ngrams: tf.Tensor | float = 0.0) -> list[tf.Tensor]:
        """Runs all layers' cells for one character of each row, `ngrams` added to its vector."""
        hidden = self._inputs(tokens[:, tf.newaxis])[:, 0] + ngrams
        after: list[tf.Tensor] = []
        for cell in self._cells:
            count = len(_state_widths(cell))
            own = [tf.cast(state, hidden.dtype) for state in states[len(after) : len(after) + count]]
            hidden, new = cell(hidden, own if count > 1 else own[0], training=False)
            after += [tf.cast(state, tf.float32) for state in (new if isinstance(new, (list, tuple)) else [new])]
        return after

    def _top(self, states: list[tf.Tensor]) -> tf.Tensor:
        """Returns the topmost layer's output among states as `_step` gives them."""
        return states[-len(_state_widths(self._cells[-1]))]


def read(model: CharacterModel, state: State, tokens: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, State]:
    """Reads texts.

    Args:
      model: The model.
      state: What was read before.
      tokens: int32 [N, length]; what stands beyond a row's length is not read.
      lengths: int32 [N].

    Returns:
      Natural-log probability of each character given those before it, float32 [N, length], 0 beyond a row's length; and the
      state after the texts.
    """
    steps = tf.shape(tokens)[1]
    # One step at least, which reads nothing: what no step has written cannot be stacked.
    columns = tf.transpose(tf.cond(steps > 0, lambda: tokens, lambda: tf.pad(tokens, [[0, 0], [0, 1]])))

    def step(index: tf.Tensor, written: tf.TensorArray, *state: tf.Tensor) -> tuple[Any, ...]:
        token, inside = columns[index], index < lengths
        log_prob = tf.gather(model.log_probabilities(list(state)), token, batch_dims=1)
        after = _where(inside, model.advance(list(state), token), state)
        return index + 1, written.write(index, tf.where(inside, log_prob, 0.0)), *after

    _, written, *after = _loop(steps, step, tf.float32, state)
    return tf.transpose(written.stack()[:steps]), after


def generate(
    model: CharacterModel,
    state: State,
    lengths: tf.Tensor,
    inputs: SamplingInputs,
    drawn: tf.Tensor,
    barred: tf.Tensor,
) -> tuple[tf.Tensor, State]:
    """Writes texts.

    Args:
      model: The model.
      state: What was read before.
      lengths: Characters to write, int32 [N].
      inputs: How to choose them.
      drawn: Characters that each row has drawn before with its seed, int64 [N].
      barred: float32 [vocabulary]: minus infinity for characters that must not be written, else 0.

    Returns:
      Tokens int32 [N, longest length], -1 beyond a row's length; and the state after the texts.
    """
    steps = tf.reduce_max(tf.concat([lengths, [0]], axis=0))
    random = tf.transpose(uniforms(inputs.seed, drawn, tf.maximum(steps, 1)))  # (length, batch)

    def step(index: tf.Tensor, written: tf.TensorArray, *state: tf.Tensor) -> tuple[Any, ...]:
        inside = index < lengths
        token = sample(model.log_probabilities(list(state)) + barred, inputs, random[index])
        after = _where(inside, model.advance(list(state), token), state)
        return index + 1, written.write(index, tf.where(inside, token, -1)), *after

    _, written, *after = _loop(steps, step, tf.int32, state)
    return tf.transpose(written.stack()[:steps]), after


def _state_widths(cell: keras.Layer) -> list[int]:
    return list(cell.state_size) if isinstance(cell.state_size, (list, tuple)) else [cell.state_size]


def _where(inside: tf.Tensor, after: State, before: tuple[tf.Tensor, ...]) -> State:
    """Returns the states after, in the rows bool [N] that are inside their text, else those before."""
    return [tf.where(inside[:, tf.newaxis], new, old) for new, old in zip(after, before, strict=True)]


def _loop(steps: tf.Tensor, step: Callable[..., tuple[Any, ...]], dtype: tf.DType, state: State) -> Any:
    steps = tf.maximum(steps, 1)
    written = tf.TensorArray(dtype, steps, element_shape=[None])
    # One iteration at a time: each needs the one before, and several at once would only keep their tensors alive.
    return tf.while_loop(
        lambda index, *_: index < steps, step, (tf.constant(0), written, *state), parallel_iterations=1
    )
