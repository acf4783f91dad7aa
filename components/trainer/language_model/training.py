"""Training of a language model: plain Keras, no TFX."""

import logging
from collections.abc import Sequence

import keras
import tensorflow as tf

from components.trainer.fitting import Training, fit
from components.trainer.language_model.approach import Approach
from components.trainer.language_model.token_text import TokenText
from components.trainer.warm_start import COLD_START, WarmStart
from components.trainer.weights_file import BestWeights
from components.trainer.workers import is_chief

_LOG = logging.getLogger("charseq.trainer")


def train(
    approach: Approach,
    train_text: TokenText,
    validation_text: TokenText,
    vocabulary_size: int,
    checkpoint_dir: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: WarmStart = COLD_START,
) -> Training:
    """Trains a model.

    Args:
      approach: How to train.
      train_text: Training split.
      validation_text: Validation split: what val_loss and patience look at.
      vocabulary_size: Number of characters, index 0 included.
      checkpoint_dir: As for `fit`.
      callbacks: As for `fit`.
      start: What to begin with.

    Returns:
      The training, its model as `approach.core` returns it.
    """
    settings, data = approach.settings, approach.fit_data(train_text, validation_text)
    named = list(callbacks)
    if settings.plateau_factor < 1:
        named.append(
            keras.callbacks.ReduceLROnPlateau(
                "loss", settings.plateau_factor, settings.plateau_patience, min_lr=settings.smallest_learning_rate
            )
        )
    best = None
    if settings.keep != "last":
        best = BestWeights(_best_path(checkpoint_dir), settings.keep.removeprefix("best_"))
        named.append(best)
    training = fit(settings, lambda: start.apply(approach.build(vocabulary_size)), data, checkpoint_dir, named)
    if best and is_chief():
        best.restore(training.model)
    return Training(approach.core(training.model), training.history, training.seconds)


def discard_best(checkpoint_dir: str) -> None:
    """Removes the best epoch's weights, when the model is safe elsewhere."""
    best_path = _best_path(checkpoint_dir)
    if is_chief() and tf.io.gfile.exists(best_path):
        tf.io.gfile.remove(best_path)


def _best_path(checkpoint_dir: str) -> str:
    """Returns where the best epoch's weights lie: beside the checkpoint, so that they stay when a training is interrupted."""
    return f"{checkpoint_dir}.best.npz"
