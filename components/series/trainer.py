"""The run function of TFX's Trainer for series, and what the Tuner calls."""

import functools
import logging
import os
from typing import Any

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.series.export import SeriesModel
from components.series.network import build_model
from components.series.settings import SeriesSettings
from components.series.training import WindowArrays, read_windows, train
from components.settings import from_values, to_json
from components.trainer.checkpoint import checkpoint_name, discard_checkpoint
from components.trainer.fitting import TrainOnce
from components.trainer.run_files import write_run_files
from components.trainer.settings import apply_hyperparameters
from components.trainer.tensorboard import TensorBoard
from components.trainer.warm_start import prepare, save_weights

_LOG = logging.getLogger("charseq.trainer")


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed windows, leaves the run's files, exports the SavedModel.

    Args:
      fn_args: TFX's. `custom_config` holds `train` (values of SeriesSettings), `context`, `horizon` and `season` (steps), and
        `checkpoint_root`, the folder of checkpoints.
    """
    config = fn_args.custom_config
    settings = apply_hyperparameters(from_values(SeriesSettings, config["train"]), fn_args.hyperparameters)
    train_windows, validation_windows = _read(fn_args)
    _LOG.info("%d training and %d validation windows", len(train_windows), len(validation_windows))
    build = functools.partial(build_model, settings, config["context"], config["horizon"])
    start = prepare(settings, fn_args.base_model, [], build, fn_args.model_run_dir)
    fingerprints = train_windows.fingerprint(), validation_windows.fingerprint(), start.fingerprint
    name = checkpoint_name(to_json(settings), [str(config["season"])], *fingerprints)
    checkpoint_dir = os.path.join(settings.checkpoint_dir or config["checkpoint_root"], name)
    tensorboard = TensorBoard(os.path.join(fn_args.model_run_dir, "tensorboard"), settings.histograms)
    training = train(
        settings, train_windows, validation_windows, config["season"], checkpoint_dir, [tensorboard], start
    )
    _LOG.info("trained %d epochs in %.1f s", len(training.history), training.seconds)
    write_run_files(training, fn_args.model_run_dir)
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    SeriesModel(training.model, transform_output, config["context"], config["horizon"]).save(fn_args.serving_model_dir)
    save_weights(training.model, [], fn_args.serving_model_dir)
    discard_checkpoint(checkpoint_dir)


def train_fn(fn_args: FnArgs) -> TrainOnce[SeriesSettings]:
    """Returns the settings to begin with, and what trains with others on the same windows.

    Args:
      fn_args: TFX's, with a `custom_config` as for `run_fn`.
    """
    config: dict[str, Any] = fn_args.custom_config
    train_windows, validation_windows = _read(fn_args)
    return TrainOnce(
        from_values(SeriesSettings, config["train"]),
        lambda settings, checkpoint_dir: train(
            settings, train_windows, validation_windows, config["season"], checkpoint_dir
        ),
        discard_checkpoint,
    )


def _read(fn_args: FnArgs) -> tuple[WindowArrays, WindowArrays]:
    context, horizon = fn_args.custom_config["context"], fn_args.custom_config["horizon"]
    return read_windows(fn_args.train_files, context, horizon), read_windows(fn_args.eval_files, context, horizon)
