"""The run function of TFX's Trainer for models of strings, and what the Tuner calls."""

import functools
import logging
import os

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cleaning.settings import Cleaning
from components.settings import architecture_from_values, from_values, to_json
from components.trainer.checkpoint import checkpoint_name, discard_checkpoint
from components.trainer.fitting import TrainOnce
from components.trainer.fixed_length.export import Seq2SeqModel
from components.trainer.fixed_length.input_pipeline import read_tokens
from components.trainer.fixed_length.models import StringSettings, build_model
from components.trainer.fixed_length.predictions import write_predictions
from components.trainer.fixed_length.training import train
from components.trainer.run_files import write_run_files
from components.trainer.settings import apply_hyperparameters
from components.trainer.tensorboard import TensorBoard
from components.trainer.warm_start import prepare, save_weights
from components.transform.preprocessing import read_vocabulary

_LOG = logging.getLogger("charseq.trainer")


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed examples, leaves the run's files, exports the SavedModel.

    Args:
      fn_args: TFX's. `custom_config` holds `train` (values of StringSettings), `cleaning` (values of Cleaning: how the strings
        of the examples were cleaned; none if it is absent) and `checkpoint_root`, the folder of checkpoints.
    """
    settings: StringSettings = apply_hyperparameters(
        architecture_from_values(StringSettings, fn_args.custom_config["train"]), fn_args.hyperparameters
    )
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    vocabulary = read_vocabulary(transform_output)
    train_arrays, eval_arrays = (
        read_tokens(patterns, transform_output, len(vocabulary))
        for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    _LOG.info(
        "%d training and %d evaluation examples, %d characters", len(train_arrays), len(eval_arrays), len(vocabulary)
    )
    lengths = train_arrays.tokens.shape[1], train_arrays.targets.shape[1]
    build = functools.partial(build_model, settings, *lengths)
    start = prepare(settings, fn_args.base_model, [vocabulary], build, fn_args.model_run_dir)
    checkpoint_dir = os.path.join(
        settings.checkpoint_dir or fn_args.custom_config["checkpoint_root"],
        checkpoint_name(
            to_json(settings), vocabulary, train_arrays.fingerprint(), eval_arrays.fingerprint(), start.fingerprint
        ),
    )
    tensorboard = TensorBoard(os.path.join(fn_args.model_run_dir, "tensorboard"), settings.histograms)
    training = train(settings, train_arrays, eval_arrays, len(vocabulary), checkpoint_dir, [tensorboard], start)
    _LOG.info("trained %d epochs in %.1f s", len(training.history), training.seconds)
    write_run_files(training, fn_args.model_run_dir)
    write_predictions(training.model, eval_arrays, vocabulary, fn_args.model_run_dir)
    cleaning = from_values(Cleaning, fn_args.custom_config.get("cleaning", {}))
    Seq2SeqModel(training.model, transform_output, *lengths, cleaning).save(fn_args.serving_model_dir)
    save_weights(training.model, [vocabulary], fn_args.serving_model_dir)
    discard_checkpoint(checkpoint_dir)


def train_fn(fn_args: FnArgs) -> TrainOnce[StringSettings]:
    """Returns the settings to begin with, and what trains with others on the same examples.

    Args:
      fn_args: TFX's, with a `custom_config` as for `run_fn`.
    """
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    size = len(read_vocabulary(transform_output))
    train_arrays, eval_arrays = (
        read_tokens(patterns, transform_output, size) for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    return TrainOnce(
        architecture_from_values(StringSettings, fn_args.custom_config["train"]),
        lambda settings, checkpoint_dir: train(settings, train_arrays, eval_arrays, size, checkpoint_dir),
        discard_checkpoint,
    )
