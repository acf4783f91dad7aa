"""Models that read a window: its last state predicts the one character after it, and every window starts from nothing."""

import dataclasses

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs

from components.trainer.fitting import FitData, TrainOnce
from components.trainer.language_model.approach import (
    PREFETCHED_ELEMENTS,
    VALIDATION_CHARACTERS,
    Approach,
    padded_batches,
    without_tuning,
)
from components.trainer.language_model.decoding import CharacterModel, State
from components.trainer.language_model.models import Layers
from components.trainer.language_model.settings import LanguageModelSettings, WindowSettings
from components.trainer.language_model.token_text import TokenText
from components.trainer.language_model.trainer import run, train_once

# Windows of a validation batch.
_VALIDATION_WINDOWS = 4_096


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports: TFX's run function, see `trainer.run`."""
    run(fn_args, WindowSettings, Windows)


def train_fn(fn_args: FnArgs) -> TrainOnce[LanguageModelSettings]:
    """Returns what the Tuner calls."""
    return train_once(fn_args, WindowSettings, Windows)


@dataclasses.dataclass(frozen=True)
class Windows(Approach):
    """A model that reads windows.

    Attributes:
      settings: How to train.
    """

    settings: WindowSettings

    def build(self, vocabulary_size: int) -> keras.Model:
        """Returns the untrained model."""
        return build_window_model(self.settings, vocabulary_size)

    def fit_data(self, train_text: TokenText, validation_text: TokenText) -> FitData:
        """Returns windows of the text."""
        settings = self.settings
        return FitData(
            lambda epoch, at_a_time: training_windows(settings, train_text, epoch, at_a_time),
            -(-len(train_text.starts) // settings.batch_size),
            validation_windows(settings, validation_text),
            length=settings.window,
            separate_rows=not (settings.input_dropout or settings.output_dropout or settings.weight_dropout),
        )

    def character_model(self, model: keras.Model, first: npt.NDArray[np.float64]) -> CharacterModel:
        """Returns a reader of all windows that end at the next characters."""
        return WindowReader(model, self.settings, tf.constant(np.log(first), tf.float32))

    @property
    def seed_length(self) -> int:
        """Characters of the text from which a sample goes on."""
        return self.settings.window


def build_window_model(settings: WindowSettings, vocabulary_size: int) -> keras.Model:
    """Returns the untrained model, from tokens int32 [batch, window] to logits [batch, vocabulary]."""
    tokens = keras.Input([None], dtype="int32", name="tokens")
    logits, _ = Layers(settings, vocabulary_size).read(tokens, every=False)
    return keras.Model(tokens, logits, name="language_model")


class WindowReader(CharacterModel):
    """A model that predicts from the last `window` characters, started from nothing before each of these windows.

    Running a window again for every character costs `window` steps one after the other. Here the windows that end at the
    next `window` characters are in the state together, and each character is one step for all of them.
    """

    def __init__(self, model: keras.Model, settings: WindowSettings, first: tf.Tensor):
        super().__init__(model, settings, first)
        self._window = settings.window

    @property
    def state_widths(self) -> list[int]:
        """Widths of a state's tensors."""
        return [1, *(width * self._window for width in self._cell_widths)]

    def advance(self, state: State, tokens: tf.Tensor) -> State:
        """Returns the state after reading tokens: the oldest window has been used, a new one begins in its place."""
        old = tf.one_hot(tf.cast(state[0][:, 0], tf.int32) % self._window, self._window)  # (batch, window)
        kept = tf.reshape(1 - old, [-1, 1])  # (batch * window, 1)
        states = [
            tf.reshape(part, [-1, width]) * kept for part, width in zip(state[1:], self._cell_widths, strict=True)
        ]
        after = self._step_windows(tokens, states)
        return [
            state[0] + 1,
            *(tf.reshape(p, [-1, width * self._window]) for p, width in zip(after, self._cell_widths, strict=True)),
        ]

    def _step_windows(self, tokens: tf.Tensor, states: list[tf.Tensor]) -> list[tf.Tensor]:
        """Runs all layers' cells for one character of each row, in all its windows: states [N * window, units]."""
        if not all(isinstance(cell, keras.layers.LSTMCell) for cell in self._cells):
            return self._step(tf.repeat(tokens, self._window), states)
        # The character is the same for all windows of a row: so is what it adds to the gates, which Keras's cell would compute
        # for each of them.
        hidden, after = self._inputs(tokens[:, tf.newaxis])[:, 0], []
        for index, cell in enumerate(self._cells):
            output, memory = (tf.cast(state, hidden.dtype) for state in states[2 * index : 2 * index + 2])
            kernel, recurrent_kernel, bias = (
                tf.cast(weight, hidden.dtype) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)
            )
            own = (tf.matmul(hidden, kernel) + bias)[:, tf.newaxis]
            gates = tf.reshape(tf.matmul(output, recurrent_kernel), [tf.shape(own)[0], -1, 4 * cell.units]) + own
            in_gate, forget_gate, candidate, out_gate = tf.split(tf.reshape(gates, [-1, 4 * cell.units]), 4, axis=1)
            memory = tf.sigmoid(forget_gate) * memory + tf.sigmoid(in_gate) * tf.tanh(candidate)
            hidden = tf.sigmoid(out_gate) * tf.tanh(memory)
            after += [tf.cast(state, tf.float32) for state in (hidden, memory)]
        return after

    def _features(self, state: State) -> tf.Tensor:
        read = tf.cast(state[0][:, 0], tf.int32)
        oldest = tf.where(read >= self._window, read % self._window, 0)
        windows = tf.reshape(self._top(state), [-1, self._window, self._cells[-1].units])
        return tf.gather(windows, oldest, batch_dims=1)


def training_windows(
    settings: WindowSettings, text: TokenText, start_epoch: int, at_a_time: int = 1
) -> tf.data.Dataset:
    """Returns endless batches, from the first batch of `start_epoch` on, in an order that follows from seed and epoch.

    Args:
      settings: How to train.
      text: Training split.
      start_epoch: Epochs that are over.
      at_a_time: Batches whose rows an element is; a divisor of an epoch's steps.

    Returns:
      (tokens int32 [batch, window], target int32 [batch]): every window once an epoch.
    """
    steps = -(-len(text.starts) // settings.batch_size)
    size = at_a_time * settings.batch_size
    tokens = tf.constant(text.tokens)
    offsets = tf.range(-settings.window, 1, dtype=tf.int64)

    def targets(epoch: int) -> npt.NDArray[np.int64]:
        random = np.random.default_rng([settings.seed, epoch])
        return text.starts[random.permutation(len(text.starts))]

    @tf.autograph.experimental.do_not_convert
    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        # Python is asked once an epoch, as for streams.
        places = tf.numpy_function(targets, [epoch], tf.int64)

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = places[step * size : (step + 1) * size]
            rows.set_shape([None])
            characters = tf.cast(tf.gather(tokens, rows[:, tf.newaxis] + offsets), tf.int32)
            return characters[:, :-1], characters[:, -1]

        return tf.data.Dataset.range(steps // at_a_time).map(batch)

    epochs = tf.data.Dataset.range(start_epoch, 2**62).flat_map(batches)
    return epochs.prefetch(PREFETCHED_ELEMENTS).with_options(without_tuning())


def validation_windows(settings: WindowSettings, text: TokenText) -> tf.data.Dataset:
    """Returns a split in batches of one shape, in order: tokens, targets and the weights of these (0 or 1).

    Every character that has a whole window before it is there once.

    Raises:
      ValueError: None has.
    """
    window = settings.window
    lengths = text.ends - text.starts
    targets = np.repeat(text.starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    targets = targets[targets - np.repeat(text.begins, lengths) >= window]
    targets = targets[:: -(-len(targets) // VALIDATION_CHARACTERS) or 1]
    if not len(targets):
        raise ValueError(f"no validation character has {window} characters before it; raise data.validation_fraction")
    characters = text.tokens[targets[:, np.newaxis] + np.arange(-window, 1)].astype(np.int32)
    return padded_batches(
        (characters[:, :-1], characters[:, -1], np.ones(len(targets), np.float32)), _VALIDATION_WINDOWS
    )
