"""Training of a language model: plain Keras, no TFX."""

import logging
import os
from collections.abc import Sequence

import keras
import tensorflow as tf

from components.trainer.fitting import FitData, Training, fit
from components.trainer.language_model.batches import steps_per_epoch, training_batches, validation_batches
from components.trainer.language_model.models import CarriedState, build_model
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.language_model.token_text import TokenText
from components.trainer.workers import worker_strategy

_LOG = logging.getLogger("charseq.trainer")


def train(
    settings: LanguageModelSettings,
    train_text: TokenText,
    eval_text: TokenText,
    window: int,
    vocabulary_size: int,
    checkpoint_dir: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Training:
    """Trains a model.

    Args:
      settings: How to train.
      train_text: Training split.
      eval_text: Validation split: what val_loss and patience look at.
      window: For `predict="last"`, the characters that a prediction reads.
      vocabulary_size: Number of characters, index 0 included.
      checkpoint_dir: As for `fit`.
      callbacks: As for `fit`.

    Returns:
      The training, its model as `build_model` returns it.
    """
    if settings.carry_state and worker_strategy() is not None:
        raise ValueError("a state is carried on one device only, not by several workers; set train.carry_state=false")
    if settings.carry_state and len(tf.config.list_physical_devices("GPU")) > 1:
        _LOG.info("one GPU is used, for a state is carried on one device; train.carry_state=false uses all")

    def build() -> keras.Model:
        model = build_model(settings, vocabulary_size)
        if settings.predict == "last":
            return model
        return CarriedState(model, settings.batch_size, settings.carry_state)

    data = fit_data(settings, train_text, eval_text, window)
    best_path = _best_path(checkpoint_dir)
    named = list(callbacks)
    if settings.plateau_factor < 1:
        named.append(
            keras.callbacks.ReduceLROnPlateau(
                "loss", settings.plateau_factor, settings.plateau_patience, min_lr=settings.smallest_learning_rate
            )
        )
    if settings.keep != "last":
        os.makedirs(os.path.dirname(best_path), exist_ok=True)
        monitor = settings.keep.removeprefix("best_")
        named.append(keras.callbacks.ModelCheckpoint(best_path, monitor, save_best_only=True, save_weights_only=True))
    training = fit(settings, build, data, checkpoint_dir, named)
    model = training.model
    if settings.keep != "last":
        model.load_weights(best_path)
    return Training(getattr(model, "core", model), training.history, training.seconds)


def fit_data(settings: LanguageModelSettings, train_text: TokenText, eval_text: TokenText, window: int) -> FitData:
    """Returns what `train` fits a model to."""
    return FitData(
        lambda epoch, at_a_time: training_batches(settings, train_text, window, epoch, at_a_time),
        steps_per_epoch(settings, train_text),
        validation_batches(settings, eval_text, window),
        length=window if settings.predict == "last" else settings.segment,
        one_device=settings.carry_state,
        separate_rows=settings.separate_rows,
    )


def discard_best(checkpoint_dir: str) -> None:
    """Removes the best epoch's weights, when the model is safe elsewhere."""
    best_path = _best_path(checkpoint_dir)
    if os.path.exists(best_path):
        os.remove(best_path)


def _best_path(checkpoint_dir: str) -> str:
    """Returns where the best epoch's weights lie: beside the checkpoint, so that they stay when a training is interrupted."""
    return f"{checkpoint_dir}.best.weights.h5"
