"""Fitting of a Keras model: the same for every family, no TFX."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Generic

import keras
import tensorflow as tf

from components.trainer import workers
from components.trainer.checkpoint import TrainingState
from components.trainer.parts import count_parts, train_in_parts
from components.trainer.progress import Progress
from components.trainer.settings import FitSettings, SettingsT

_LOG = logging.getLogger("charseq.trainer")

# Name of the layer that gives the logits, which Muon leaves to AdamW.
OUTPUT_LAYER = "logits"

# Batches that are handed over together; of more, the first step waits longer, and none is faster.
_MOST_AT_A_TIME = 25


@dataclasses.dataclass(frozen=True)
class FitData:
    """What a model is fitted to.

    Attributes:
      batches: From an epoch and a number of batches to endless training data (inputs, targets) from the first batch of
        that epoch on, each element the rows of so many batches.
      steps: Batches of an epoch.
      validation: What val_loss and patience look at.
      length: Characters of an example.
      separate_rows: Whether nothing but the weights connects the rows of a batch: no dropout, no carried state.
      loss: What is minimized, a mean over tokens; None is the cross-entropy of the characters to predict.
      accuracy: Share of right tokens, for the history; None is that of the characters to predict.
      own_steps: Replaces the training step of a compiled model on one device; None keeps Keras's.
    """

    batches: Callable[[int, int], tf.data.Dataset]
    steps: int
    validation: tf.data.Dataset
    length: int
    separate_rows: bool = False
    loss: keras.losses.Loss | None = None
    accuracy: keras.metrics.Metric | None = None
    own_steps: Callable[[keras.Model], None] | None = None


@dataclasses.dataclass(frozen=True)
class Training:
    """What came out of a training.

    Attributes:
      model: The trained model.
      history: Logs of every epoch: loss, accuracy (per character), and val_ of both at every validation.
      seconds: Seconds in model.fit, all attempts together.
    """

    model: keras.Model
    history: list[dict[str, float]]
    seconds: float


@dataclasses.dataclass(frozen=True)
class TrainOnce(Generic[SettingsT]):
    """What the Tuner needs of an architecture.

    Attributes:
      settings: The settings that a trial starts from.
      train: Trains with some settings; the second argument is the folder of the checkpoint.
      discard: Removes what a training has left in that folder and beside it.
    """

    settings: SettingsT
    train: Callable[[SettingsT, str], Training]
    discard: Callable[[str], None]


def fit(
    settings: FitSettings,
    build: Callable[[], keras.Model],
    data: FitData,
    checkpoint_dir: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Training:
    """Fits a model, going on from the checkpoint of a training with the same settings and data if there is one.

    Args:
      settings: How to fit.
      build: Makes the untrained model.
      data: What to fit it to.
      checkpoint_dir: Folder of this training's checkpoint; see TrainingState. It stays, for the caller to discard.
      callbacks: More callbacks, called before the state is saved.
    """
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(settings.precision)
    patience = [keras.callbacks.EarlyStopping("val_loss", patience=settings.patience)] if settings.patience else []
    callbacks = [*callbacks, Progress(settings.epochs), *patience]
    state = TrainingState(checkpoint_dir, settings.checkpoint_seconds, callbacks)
    with distribution_strategy().scope():
        model = build()
        training_data = compile_model(model, settings, data)
        start_epoch = state.restore(model)
    batches, validation = training_data(start_epoch), data.validation
    if (strategy := workers.worker_strategy()) is not None:
        workers.run_steps_by_strategy(model, strategy, next(iter(validation)))
        batches, validation = workers.share(batches), workers.share(validation)
    if start_epoch:
        _LOG.info("going on from the checkpoint after epoch %d", start_epoch)
    if not state.finished:
        model.fit(
            batches,
            initial_epoch=start_epoch,
            epochs=settings.epochs,
            steps_per_epoch=data.steps,
            validation_data=validation,
            validation_freq=_validation_epochs(settings),
            callbacks=[*callbacks, state],
            verbose=0,
        )
    if strategy is not None:
        model = workers.plain_copy(model, build)
    return Training(model, state.history, state.seconds)


def compile_model(model: keras.Model, settings: FitSettings, data: FitData) -> Callable[[int], tf.data.Dataset]:
    """Compiles a model for training: mean cross-entropy over the characters to predict.

    Args:
      model: The model.
      settings: How to train.
      data: What to train it on.

    Returns:
      From an epoch to the endless training data that `model.fit` now takes, from that epoch's first batch on.
    """
    # Neither XLA nor Keras's loop over several steps can hold variables that are mirrored on several devices.
    mirrored = tf.distribute.get_strategy().num_replicas_in_sync > 1
    model.compile(
        optimizer=_make_optimizer(settings, data.steps),
        loss=data.loss
        or keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
        weighted_metrics=[data.accuracy or keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=settings.compiled and not mirrored,
        steps_per_execution=1 if mirrored else _steps_per_call(settings, data.steps),
    )
    parts = settings.parts or count_parts(settings.batch_size, data.length)
    at_a_time = 1
    if data.separate_rows and model.jit_compile and parts > 1:
        at_a_time = _divisor(model.steps_per_execution, _MOST_AT_A_TIME)
        train_in_parts(model, parts, settings.batch_size, at_a_time)
    if data.own_steps and not mirrored:
        data.own_steps(model)
    return lambda epoch: data.batches(epoch, at_a_time)


def _steps_per_call(settings: FitSettings, steps: int) -> int:
    """Returns how many steps one call into TensorFlow makes: as many as asked for, or the next fewer that divide an epoch.

    With a rest, Keras would fill the last call with steps of the next epoch, in every epoch: it would be longer than it is
    said to be, and a training that is interrupted would not go on where an uninterrupted one is.
    """
    return _divisor(steps, settings.steps_per_execution or steps)


def _divisor(number: int, most: int) -> int:
    """Returns the largest divisor that is not larger than `most`."""
    return next(divisor for divisor in range(min(most, number), 0, -1) if number % divisor == 0)


def _make_optimizer(settings: FitSettings, steps: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = settings.learning_rate
    if settings.warmup:
        rising = int(steps * settings.epochs * settings.warmup)
        rate = keras.optimizers.schedules.CosineDecay(
            # From a hundredth: the first steps of a fresh Adam are as long as its learning rate, wherever they lead.
            settings.learning_rate / 100,
            steps * settings.epochs - rising,
            warmup_target=settings.learning_rate,
            warmup_steps=rising,
        )
    clipping = {"global_clipnorm": settings.clip_norm or None}
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, **clipping)
    if settings.optimizer == "muon":
        return keras.optimizers.Muon(
            rate,
            weight_decay=settings.weight_decay,
            adam_weight_decay=settings.weight_decay,
            adam_beta_2=settings.beta_2,
            exclude_layers=[OUTPUT_LAYER],
            **clipping,
        )
    options = {"beta_2": settings.beta_2, **clipping}
    if settings.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)


def distribution_strategy() -> tf.distribute.Strategy:
    """Returns synchronous training on every worker, or every GPU of this machine, where there are several, else the default."""
    if (strategy := workers.worker_strategy()) is not None:
        return strategy
    return (
        tf.distribute.MirroredStrategy()
        if len(tf.config.list_physical_devices("GPU")) > 1
        else tf.distribute.get_strategy()
    )


def _validation_epochs(settings: FitSettings) -> list[int]:
    """Returns the epochs, counted from 1, after which to validate."""
    return sorted({*range(settings.validate_every, settings.epochs + 1, settings.validate_every), settings.epochs})
