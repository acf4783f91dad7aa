"""Models that read a text as a stream: the states after all characters predict the next one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

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
from components.trainer.language_model.models import NGRAMS, Layers
from components.trainer.language_model.settings import LanguageModelSettings, StreamSettings, resolve
from components.trainer.language_model.steps import train_in_parts
from components.trainer.language_model.token_text import TokenText
from components.trainer.language_model.trainer import run, train_once
from components.trainer.parts import count_parts_for_cores

# Windows of the validation split in a batch.
_VALIDATION_TEXTS = 32

# Characters of the text from which a sample goes on.
_SEED_LENGTH = 40


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports: TFX's run function, see `trainer.run`."""
    run(fn_args, StreamSettings, Streams)


def train_fn(fn_args: FnArgs) -> TrainOnce[LanguageModelSettings]:
    """Returns what the Tuner calls."""
    return train_once(fn_args, StreamSettings, Streams)


@dataclasses.dataclass(frozen=True)
class Streams(Approach):
    """A model that reads streams.

    Attributes:
      settings: How to train.
      code_points: See NgramVectors.
    """

    settings: StreamSettings
    code_points: tuple[int, ...] = ()

    def of_data(self, vocabulary: Sequence[str], length: int) -> "Streams":
        """Returns what trains a model of a text, with the settings that suit its length."""
        code_points = tuple(ord(character or "\0") for character in vocabulary)
        return Streams(resolve(self.settings, length), code_points)

    def build(self, vocabulary_size: int) -> keras.Model:
        """Returns the untrained model, which carries its states from segment to segment."""
        core = build_stream_model(self.settings, vocabulary_size, self.code_points)
        return CarriedState(core, self.settings.batch_size, self.settings.carry_state)

    def core(self, fitted: keras.Model) -> keras.Model:
        """Returns the model without what carries the states."""
        return fitted.core

    def fit_data(self, train_text: TokenText, validation_text: TokenText) -> FitData:
        """Returns segments of the text."""
        settings = self.settings
        parts = min(settings.parts or count_parts_for_cores(settings.batch_size), settings.batch_size)
        in_parts = parts > 1 and settings.carry_state
        return FitData(
            lambda epoch, at_a_time: training_segments(settings, train_text, epoch, at_a_time),
            steps_per_epoch(settings, train_text),
            validation_texts(validation_text),
            length=settings.segment,
            own_steps=(lambda model: train_in_parts(model, settings.batch_size, parts)) if in_parts else None,
        )

    def character_model(self, model: keras.Model, first: npt.NDArray[np.float64]) -> CharacterModel:
        """Returns a reader whose state is the layers' states."""
        return StreamReader(model, self.settings, tf.constant(np.log(first), tf.float32))

    @property
    def seed_length(self) -> int:
        """Characters of the text from which a sample goes on."""
        return _SEED_LENGTH


def build_stream_model(settings: StreamSettings, vocabulary_size: int, code_points: Sequence[int] = ()) -> keras.Model:
    """Returns the untrained model; for `code_points` see NgramVectors.

    It goes from tokens int32 [batch, length] and the states before them to logits [batch, length, vocabulary] and the states
    after them: two of [batch, units] for each LSTM layer, one for each GRU layer; and with n-grams the last characters, int32
    [batch, ngrams - 1].
    """
    stack = Layers(settings, vocabulary_size)
    tokens = keras.Input([None], dtype="int32", name="tokens")
    before = [
        keras.Input([settings.units], name=f"state_{index}_{n}")
        for index in range(settings.layers)
        for n in range(stack.states)
    ]
    if settings.longest_ngram == 1:
        logits, after = stack.read(tokens, every=True, states=before)
        return keras.Model([tokens, *before], [logits, *after], name="language_model")
    history = keras.Input([settings.longest_ngram - 1], dtype="int32", name="history")
    ngrams, history_after = stack.ngrams(tokens, history, settings.longest_ngram, settings.ngram_dropout, code_points)
    logits, after = stack.read(tokens, every=True, states=before, ngrams=ngrams)
    return keras.Model([tokens, *before, history], [logits, *after, history_after], name="language_model")


def initial_states(model: keras.Model, rows: int | tf.Tensor) -> list[tf.Tensor]:
    """Returns the states, of a model from `build_stream_model`, of rows that have read nothing."""
    return [tf.zeros([rows, state.shape[-1]], state.dtype) for state in model.inputs[1:]]


@keras.saving.register_keras_serializable("charseq")
class CarriedState(keras.Model):  # type: ignore[misc]
    """Trains a model of streams on consecutive segments: the state after one is the state before the next.

    Called on tokens int32 [batch, length] it starts from nothing, as for validation; called on the tuple of tokens and
    `kept`, float [batch, 1], it goes on from where the call before ended, times `kept` (0 where a stream begins).
    """

    def __init__(self, core: keras.Model, batch_size: int, carry: bool):
        """Makes the model, under the strategy that trains it.

        Args:
          core: From `build_stream_model`.
          batch_size: Streams of all devices together.
          carry: Whether states are carried on.

        Raises:
          ValueError: The devices cannot have equally many streams.
        """
        super().__init__(name=core.name)
        self.core = core
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        if carry and batch_size % devices:
            raise ValueError(
                f"train.batch_size is {batch_size}, which {devices} devices cannot share out equally; "
                f"set it to a multiple of {devices}"
            )
        self.built = True  # as the core is: nothing else has weights
        # Every device has the states of its own streams: a device's rows are the same ones in every batch. They are no weights,
        # so they are in no checkpoint; an epoch begins without any.
        self._carried = [
            tf.Variable(
                tf.zeros([batch_size // devices, state.shape[-1]], state.dtype),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for state in (core.inputs[1:] if carry else [])
        ]

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the logits [batch, length, vocabulary]."""
        if not isinstance(inputs, (tuple, list)):
            nothing = initial_states(self.core, tf.shape(inputs)[0])
            return self.core([inputs, *nothing], training=training)[0]
        tokens, kept = inputs
        logits, *after = self.core([tokens, *self.states_before(kept)], training=training)
        self.carry(after)
        return logits

    def states_before(self, kept: tf.Tensor) -> list[tf.Tensor]:
        """Returns the states that a call with `kept` goes on from."""
        return [state * tf.cast(kept, state.dtype) for state in self._carried]

    def carry(self, after: list[tf.Tensor]) -> None:
        """Keeps the states for the next call."""
        for variable, state in zip(self._carried, after, strict=True):
            variable.assign(tf.cast(state, variable.dtype))


class StreamReader(CharacterModel):
    """A model that predicts at every position: its state is its layers' states, and with n-grams the last characters."""

    def __init__(self, model: keras.Model, settings: StreamSettings, first: tf.Tensor):
        super().__init__(model, settings, first)
        self._ngrams = model.get_layer(NGRAMS) if settings.longest_ngram > 1 else None
        self._history = settings.longest_ngram - 1

    @property
    def state_widths(self) -> list[int]:
        """Widths of a state's tensors."""
        return [*super().state_widths, *([self._history] if self._ngrams else [])]

    def advance(self, state: State, tokens: tf.Tensor) -> State:
        """Returns the state after reading tokens."""
        if not self._ngrams:
            return [state[0] + 1, *self._step(tokens, state[1:])]
        *states, history = state[1:]
        # A state travels as float32, which holds every index: a vocabulary has fewer than 2^24 characters.
        ngrams, history = self._ngrams(tokens[:, tf.newaxis], tf.cast(history, tf.int32))
        return [state[0] + 1, *self._step(tokens, states, ngrams[:, 0]), tf.cast(history, tf.float32)]

    def _features(self, state: State) -> tf.Tensor:
        return self._top(state[: -1 if self._ngrams else None])


def steps_per_epoch(settings: StreamSettings, text: TokenText) -> int:
    """Returns the batches of an epoch.

    Raises:
      ValueError: There would be none.
    """
    characters = len(text.tokens) - 1  # the last one has nothing to predict
    steps = characters // settings.batch_size // settings.segment
    if not steps:
        raise ValueError(
            f"{characters:,} training characters do not fill a batch of {settings.batch_size} segments of "
            f"{settings.segment} characters; lower train.batch_size or train.segment"
        )
    return steps


def training_segments(
    settings: StreamSettings, text: TokenText, start_epoch: int, at_a_time: int = 1
) -> tf.data.Dataset:
    """Returns endless batches, from the first batch of `start_epoch` on, in an order that follows from seed and epoch.

    Args:
      settings: How to train.
      text: Training split.
      start_epoch: Epochs that are over.
      at_a_time: Is 1: a carried state needs its batches one by one.

    Returns:
      (tokens int32 [batch, segment], targets likewise): the text, begun somewhere else in every epoch and cut into as many
      streams as a batch has rows; with `carry_state` in their order, and with the tokens goes `kept`, float32 [batch, 1],
      0 at the streams' begin and else 1; without, in any order.
    """
    steps, rows_count = steps_per_epoch(settings, text), settings.batch_size
    tokens = tf.constant(text.tokens)
    offsets = tf.range(settings.segment + 1, dtype=tf.int64)

    def begins(epoch: int) -> npt.NDArray[np.int64]:
        return _segments(settings, text, steps, np.random.default_rng([settings.seed, epoch]))

    @tf.autograph.experimental.do_not_convert
    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        # Python is asked once an epoch. Dataset.from_generator would ask for every batch, and, with Python 3.11, has malloc
        # map whatever is larger than 128 KiB from then on: thousands of page faults in every training step.
        places = tf.numpy_function(begins, [epoch], tf.int64)

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[tf.Tensor | tuple[tf.Tensor, ...], tf.Tensor]:
            rows = places[step * rows_count : (step + 1) * rows_count]
            rows.set_shape([rows_count])
            characters = tf.cast(tf.gather(tokens, rows[:, tf.newaxis] + offsets), tf.int32)
            if not settings.carry_state:
                return characters[:, :-1], characters[:, 1:]
            kept = tf.fill([rows_count, 1], tf.cast(tf.minimum(step, 1), tf.float32))
            return (characters[:, :-1], kept), characters[:, 1:]

        return tf.data.Dataset.range(steps).map(batch)

    epochs = tf.data.Dataset.range(start_epoch, 2**62).flat_map(batches)
    return epochs.prefetch(PREFETCHED_ELEMENTS).with_options(without_tuning())


def _segments(
    settings: StreamSettings, text: TokenText, steps: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Returns where an epoch's segments begin, [steps * rows], batch after batch."""
    rows, segment = settings.batch_size, settings.segment
    spare = len(text.tokens) - 1 - rows * steps * segment
    first = int(random.integers(spare + 1))
    begins = first + np.arange(rows * steps).reshape(rows, steps) * segment
    if not settings.carry_state:
        begins = random.permutation(begins.ravel()).reshape(rows, steps)
    return begins.T.ravel()


def validation_texts(text: TokenText) -> tf.data.Dataset:
    """Returns a split in batches of one shape, in order: tokens, targets and the weights of these (0 or 1).

    Every character to predict is there once, given its window's context, but the very first. The Evaluator's figures count
    every character.
    """
    width = int((text.ends - text.begins).max())
    thinned = slice(None, None, -(-len(text.tokens) // VALIDATION_CHARACTERS))
    begins, starts, ends = (array[thinned, np.newaxis] for array in (text.begins, text.starts, text.ends))
    places = begins + np.arange(width)  # (windows, width)
    weights = (places >= starts) & (places < ends)
    characters = text.tokens[np.minimum(places, len(text.tokens) - 1)].astype(np.int32)
    arrays = characters[:, :-1], characters[:, 1:], weights[:, 1:].astype(np.float32)
    return padded_batches(arrays, _VALIDATION_TEXTS)
