"""Training of a seq2seq model: plain Keras, no TFX."""

from collections.abc import Sequence

import keras

from components.trainer.fitting import FitData, Training, fit
from components.trainer.fixed_length.input_pipeline import (
    TokenArrays,
    evaluation_dataset,
    steps_per_epoch,
    training_dataset,
)
from components.trainer.fixed_length.models import StringSettings, build_model
from components.trainer.warm_start import COLD_START, WarmStart


def train(
    settings: StringSettings,
    train_arrays: TokenArrays,
    eval_arrays: TokenArrays,
    vocabulary_size: int,
    checkpoint_dir: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: WarmStart = COLD_START,
) -> Training:
    """Trains a model; the loss counts the padding of answers too.

    Args:
      settings: How to train.
      train_arrays: Training split.
      eval_arrays: Validation split: what val_loss and patience look at.
      vocabulary_size: Number of characters, padding included.
      checkpoint_dir: As for `fit`.
      callbacks: As for `fit`.
      start: What to begin with.
    """
    lengths = train_arrays.tokens.shape[1], train_arrays.targets.shape[1]
    data = fit_data(settings, train_arrays, eval_arrays)
    return fit(
        settings, lambda: start.apply(build_model(settings, *lengths, vocabulary_size)), data, checkpoint_dir, callbacks
    )


def fit_data(settings: StringSettings, train_arrays: TokenArrays, eval_arrays: TokenArrays) -> FitData:
    """Returns what `train` fits a model to."""
    batch_size, drop_remainder = settings.batch_size, settings.drop_remainder
    return FitData(
        lambda epoch, at_a_time: training_dataset(
            train_arrays, batch_size, drop_remainder, settings.seed, epoch, at_a_time
        ),
        steps_per_epoch(len(train_arrays), batch_size, drop_remainder),
        evaluation_dataset(eval_arrays),
        length=train_arrays.tokens.shape[1] + train_arrays.targets.shape[1],
        separate_rows=True,
    )
