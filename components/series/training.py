"""Training of a network that forecasts: plain Keras, no TFX."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.files import match_all
from components.series.features import INPUTS, TARGETS
from components.series.network import IntervalCoverage, QuantileLoss, build_model
from components.series.scaling import scale_windows
from components.series.settings import SeriesSettings
from components.series.synthetic import make_series
from components.trainer.checkpoint import fingerprint
from components.trainer.fitting import FitData, Training, fit
from components.trainer.warm_start import COLD_START, WarmStart

_READ_BATCH = 8_192
_PREFETCHED = 4


@dataclasses.dataclass(frozen=True)
class WindowArrays:
    """Scaled windows of one split.

    Attributes:
      inputs: float32 [N, context].
      targets: float32 [N, horizon].
    """

    inputs: npt.NDArray[np.float32]
    targets: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.inputs)

    def fingerprint(self) -> str:
        """Returns a hash of the content."""
        return fingerprint(self.inputs, self.targets)


def read_windows(patterns: list[str], context: int, horizon: int) -> WindowArrays:
    """Reads transformed examples: gzipped TFRecord files, by globs."""
    spec = {INPUTS: tf.io.FixedLenFeature([context], tf.float32), TARGETS: tf.io.FixedLenFeature([horizon], tf.float32)}
    inputs, targets = [np.zeros((0, context), np.float32)], [np.zeros((0, horizon), np.float32)]
    for records in tf.data.TFRecordDataset(match_all(patterns), "GZIP").batch(_READ_BATCH):
        parsed = tf.io.parse_example(records, spec)
        inputs.append(parsed[INPUTS].numpy())
        targets.append(parsed[TARGETS].numpy())
    return WindowArrays(np.concatenate(inputs), np.concatenate(targets))


def make_windows(settings: SeriesSettings, context: int, horizon: int, season: int) -> WindowArrays:
    """Returns made windows, scaled as the others are."""
    made = make_series(settings.synthetic_windows, context + horizon, season, settings.seed)
    scaled = scale_windows(tf.constant(made[:, :context]), season, horizon, settings.seasonal)
    return WindowArrays(scaled.inputs.numpy(), ((made[:, context:] - scaled.base) / scaled.unit).numpy())


def train(
    settings: SeriesSettings,
    train_windows: WindowArrays,
    validation_windows: WindowArrays,
    season: int,
    checkpoint_dir: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: WarmStart = COLD_START,
) -> Training:
    """Trains a network.

    Args:
      settings: How to train.
      train_windows: Training split.
      validation_windows: Validation split: what val_loss and patience look at.
      season: Steps of a season, for the made windows.
      checkpoint_dir: As for `fit`.
      callbacks: As for `fit`.
      start: What it begins with.
    """
    context, horizon = train_windows.inputs.shape[1], train_windows.targets.shape[1]
    made = make_windows(settings, context, horizon, season) if settings.synthetic else None
    drawn = settings.made_rows(len(train_windows), context + horizon) if made else 0
    own = settings.batch_size - drawn
    steps = settings.steps or max(1, -(-len(train_windows) // max(1, own)))
    validation = tf.data.Dataset.from_tensor_slices((validation_windows.inputs, validation_windows.targets))
    data = FitData(
        lambda epoch, at_a_time: _batches(settings.seed, epoch * steps, [(train_windows, own), (made, drawn)]),
        steps,
        validation.batch(_READ_BATCH).cache(),
        length=context,
        loss=QuantileLoss(settings.interval),
        accuracy=IntervalCoverage(name="coverage"),
    )
    return fit(settings, lambda: start.apply(build_model(settings, context, horizon)), data, checkpoint_dir, callbacks)


def _batches(seed: int, first: int, sources: Sequence[tuple[WindowArrays | None, int]]) -> tf.data.Dataset:
    """Returns endless batches, drawn with replacement; each is a pure function of the seed and its number.

    Args:
      seed: The seed of what is drawn.
      first: Number of the first batch.
      sources: Windows, and how many of them are in a batch.

    Returns:
      Data set of (inputs float32 [batch, context], targets float32 [batch, horizon]).
    """
    used = [
        (tf.constant(windows.inputs), tf.constant(windows.targets), len(windows), rows)
        for windows, rows in sources
        if windows is not None and rows
    ]

    @tf.autograph.experimental.do_not_convert
    def batch_of(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        inputs, targets = [], []
        for index, (source_inputs, source_targets, count, rows) in enumerate(used):
            drawn = tf.random.stateless_uniform([rows], tf.stack([seed * 2 + index, number]), 0, count, tf.int64)
            inputs.append(tf.gather(source_inputs, drawn))
            targets.append(tf.gather(source_targets, drawn))
        return tf.concat(inputs, 0), tf.concat(targets, 0)

    # With autotuning on, the data set's end waits for its tuning thread's sleep, which doubles up to 40 s.
    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.range(first, 2**62).map(batch_of).prefetch(_PREFETCHED).with_options(options)
