"""Training of a seq2seq model: plain Keras, no TFX."""

from collections.abc import Sequence

import keras

from components.trainer.fitting import FitData, Training, fit
from components.trainer.parts import count_parts_for_cores
from components.trainer.seq2seq.batches import Buckets, training_batches, validation_batches
from components.trainer.seq2seq.model import SmoothedCrossEntropy, TokenAccuracy, build_model
from components.trainer.seq2seq.pairs import TokenPairs
from components.trainer.seq2seq.settings import Seq2SeqSettings
from components.trainer.seq2seq.steps import train_in_pieces
from components.trainer.warm_start import COLD_START, WarmStart


def train(
    settings: Seq2SeqSettings,
    training: TokenPairs,
    validation: TokenPairs,
    source_size: int,
    target_size: int,
    checkpoint_dir: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: WarmStart = COLD_START,
) -> Training:
    """Trains a model.

    Args:
      settings: How to train; nothing of it is left open.
      training: What to learn from.
      validation: What val_loss and patience look at.
      source_size: Indices of the input's vocabulary.
      target_size: Indices of the answer's vocabulary.
      checkpoint_dir: Folder of this training's checkpoint; see TrainingState. It stays, for the caller to discard.
      callbacks: More callbacks.
      start: What to begin with.
    """
    data = fit_data(settings, training, validation)
    return fit(
        settings, lambda: start.apply(build_model(settings, source_size, target_size)), data, checkpoint_dir, callbacks
    )


def fit_data(settings: Seq2SeqSettings, training: TokenPairs, validation: TokenPairs) -> FitData:
    """Returns what `train` fits a model to."""
    buckets = Buckets(training, settings.batch_size, settings.shapes)
    parts = settings.parts or count_parts_for_cores(settings.batch_size, settings.members)
    accuracy = TokenAccuracy(name="accuracy")
    batches = validation_batches(validation)
    return FitData(
        lambda epoch, _: training_batches(training, buckets, settings.seed, epoch),
        buckets.steps,
        batches,
        int(buckets.shapes[-1].max()),
        loss=SmoothedCrossEntropy(settings.label_smoothing),
        accuracy=accuracy,
        own_steps=lambda model: train_in_pieces(model, accuracy, next(iter(batches)), parts),
    )
