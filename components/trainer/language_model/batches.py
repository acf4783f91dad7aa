"""Batches of a language model's training, in an order that is a pure function of seed and epoch."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.language_model.token_text import TokenText

# Enough that a step never waits: making a batch takes a hundredth of a step's time.
_PREFETCHED_ELEMENTS = 8

# Rows of a validation batch: windows of `predict="last"`, or windows of the validation split.
_VALIDATION_WINDOWS = 4_096
_VALIDATION_TEXTS = 32

# A validation looks at no more: of a longer validation split at windows evenly spread over it.
_VALIDATION_CHARACTERS = 1_000_000


def steps_per_epoch(settings: LanguageModelSettings, text: TokenText) -> int:
    """Returns the batches of an epoch.

    Raises:
      ValueError: There would be none.
    """
    batch_size = settings.batch_size
    if settings.predict == "last":
        return -(-len(text.starts) // batch_size)
    characters = len(text.tokens) - 1  # the last one has nothing to predict
    steps = characters // batch_size // settings.segment
    if not steps:
        raise ValueError(
            f"{characters:,} training characters do not fill a batch of {batch_size} segments of {settings.segment} "
            "characters; lower train.batch_size or train.segment"
        )
    return steps


def training_batches(
    settings: LanguageModelSettings, text: TokenText, window: int, start_epoch: int, at_a_time: int = 1
) -> tf.data.Dataset:
    """Returns endless batches, from the first batch of `start_epoch` on.

    Args:
      settings: How to train.
      text: Training split.
      window: For `predict="last"`, the characters that a prediction reads.
      start_epoch: Epochs that are over.
      at_a_time: Batches whose rows an element is, with `predict="last"`; a divisor of an epoch's steps.

    Returns:
      For `predict="last"`, (tokens int32 [batch, window], target int32 [batch]): every window once an epoch. For
      `predict="every"`, (tokens int32 [batch, segment], targets likewise): the text, begun somewhere else in every epoch and
      cut into as many streams as a batch has rows; with `carry_state` in their order, and with the tokens goes `kept`,
      float32 [batch, 1], 0 at the streams' begin and else 1; without, in any order.
    """
    last = settings.predict == "last"
    steps = steps_per_epoch(settings, text)
    size = at_a_time * settings.batch_size
    tokens = tf.constant(text.tokens)
    offsets = tf.range(-window, 1, dtype=tf.int64) if last else tf.range(settings.segment + 1, dtype=tf.int64)

    def begins(epoch: int) -> npt.NDArray[np.int64]:
        random = np.random.default_rng([settings.seed, epoch])
        return text.starts[random.permutation(len(text.starts))] if last else _segments(settings, text, steps, random)

    @tf.autograph.experimental.do_not_convert
    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        # Python is asked once an epoch. Dataset.from_generator would ask for every batch, and, with Python 3.11, has malloc
        # map whatever is larger than 128 KiB from then on: thousands of page faults in every training step.
        places = tf.numpy_function(begins, [epoch], tf.int64)

        @tf.autograph.experimental.do_not_convert
        def batch(step: tf.Tensor) -> tuple[tf.Tensor | tuple[tf.Tensor, ...], tf.Tensor]:
            rows = places[step * size : (step + 1) * size]
            rows.set_shape([None if last else settings.batch_size])
            characters = tf.cast(tf.gather(tokens, rows[:, tf.newaxis] + offsets), tf.int32)
            targets = characters[:, -1] if last else characters[:, 1:]
            if not settings.carry_state:
                return characters[:, :-1], targets
            kept = tf.fill([settings.batch_size, 1], tf.cast(tf.minimum(step, 1), tf.float32))
            return (characters[:, :-1], kept), targets

        return tf.data.Dataset.range(steps // at_a_time).map(batch)

    # With autotuning on, the data set's end waits for its tuning thread's sleep, which doubles up to 40 s.
    options = tf.data.Options()
    options.autotune.enabled = False
    return (
        tf.data.Dataset.range(start_epoch, 2**62).flat_map(batches).prefetch(_PREFETCHED_ELEMENTS).with_options(options)
    )


def _segments(
    settings: LanguageModelSettings, text: TokenText, steps: int, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Returns where an epoch's segments begin, [steps * rows], batch after batch."""
    rows, segment = settings.batch_size, settings.segment
    spare = len(text.tokens) - 1 - rows * steps * segment
    first = int(random.integers(spare + 1))
    begins = first + np.arange(rows * steps).reshape(rows, steps) * segment
    if not settings.carry_state:
        begins = random.permutation(begins.ravel()).reshape(rows, steps)
    return begins.T.ravel()


def validation_batches(settings: LanguageModelSettings, text: TokenText, window: int) -> tf.data.Dataset:
    """Returns the validation split in batches of one shape, in order: tokens, targets and the weights of these (0 or 1).

    For `predict="last"` every character that has a whole window before it; for `predict="every"` every character to predict
    once, given its window's context, but the very first. The Evaluator's figures count every character.
    """
    if settings.predict == "last":
        arrays = _validation_windows(text, window)
        rows = _VALIDATION_WINDOWS
    else:
        arrays = _validation_texts(text)
        rows = _VALIDATION_TEXTS
    rows = min(rows, len(arrays[0]))
    missing = -len(arrays[0]) % rows
    padded = tuple(np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for array in arrays)
    return tf.data.Dataset.from_tensor_slices(padded).batch(rows, drop_remainder=True).cache()


def _validation_windows(text: TokenText, window: int) -> tuple[npt.NDArray[np.generic], ...]:
    lengths = text.ends - text.starts
    targets = np.repeat(text.starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    targets = targets[targets - np.repeat(text.begins, lengths) >= window]
    targets = targets[:: -(-len(targets) // _VALIDATION_CHARACTERS) or 1]
    if not len(targets):
        raise ValueError(f"no validation character has {window} characters before it; raise data.validation_fraction")
    characters = text.tokens[targets[:, np.newaxis] + np.arange(-window, 1)].astype(np.int32)
    return characters[:, :-1], characters[:, -1], np.ones(len(targets), np.float32)


def _validation_texts(text: TokenText) -> tuple[npt.NDArray[np.generic], ...]:
    width = int((text.ends - text.begins).max())
    thinned = slice(None, None, -(-len(text.tokens) // _VALIDATION_CHARACTERS))
    begins, starts, ends = (array[thinned, np.newaxis] for array in (text.begins, text.starts, text.ends))
    places = begins + np.arange(width)  # (windows, width)
    weights = (places >= starts) & (places < ends)
    characters = text.tokens[np.minimum(places, len(text.tokens) - 1)].astype(np.int32)
    return characters[:, :-1], characters[:, 1:], weights[:, 1:].astype(np.float32)
