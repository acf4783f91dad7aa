"""The run function of TFX's Trainer for language models."""

import logging
import os

import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.settings import from_json, to_json
from components.trainer.checkpoint import checkpoint_name, discard_checkpoint
from components.trainer.fitting import TrainOnce
from components.trainer.language_model.decoding import character_model
from components.trainer.language_model.export import LanguageModel
from components.trainer.language_model.samples import SampleText
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.language_model.token_text import first_character_probabilities, read_token_text
from components.trainer.language_model.training import discard_best, train
from components.trainer.run_files import write_run_files
from components.trainer.settings import apply_hyperparameters
from components.trainer.tensorboard import TensorBoard
from components.transform.preprocessing import read_vocabulary

_LOG = logging.getLogger("charseq.trainer")


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed windows, leaves the run's files, exports the SavedModel.

    Args:
      fn_args: TFX's. `custom_config` holds `train` (JSON of LanguageModelSettings), `window` (characters that a prediction of
        `predict="last"` reads) and `checkpoint_root`, the folder of checkpoints.
    """
    settings = apply_hyperparameters(
        from_json(LanguageModelSettings, fn_args.custom_config["train"]), fn_args.hyperparameters
    )
    window = fn_args.custom_config["window"]
    transform_output = tft.TFTransformOutput(fn_args.transform_output)
    vocabulary = read_vocabulary(transform_output)
    train_text, eval_text = (
        read_token_text(patterns, transform_output, len(vocabulary))
        for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    _LOG.info(
        "%d training and %d evaluation characters, %d different ones",
        len(train_text.tokens),
        len(eval_text.tokens),
        len(vocabulary) - 1,
    )
    fingerprints = [str(window), train_text.fingerprint(), eval_text.fingerprint()]
    name = checkpoint_name(to_json(settings), vocabulary, *fingerprints)
    checkpoint_dir = os.path.join(settings.checkpoint_dir or fn_args.custom_config["checkpoint_root"], name)
    first = first_character_probabilities(train_text, vocabulary)
    tensorboard = TensorBoard(os.path.join(fn_args.model_run_dir, "tensorboard"), settings.histograms)
    samples_path = os.path.join(fn_args.model_run_dir, "samples.json")
    samples = SampleText(settings, first, window, train_text, vocabulary, samples_path)
    training = train(settings, train_text, eval_text, window, len(vocabulary), checkpoint_dir, [tensorboard, samples])
    _LOG.info("trained %d epochs in %.1f s", len(training.history), training.seconds)
    write_run_files(training, fn_args.model_run_dir)
    characters = character_model(training.model, settings, first, window)
    LanguageModel(training.model, transform_output, characters, settings.max_length).save(fn_args.serving_model_dir)
    discard_checkpoint(checkpoint_dir)
    discard_best(checkpoint_dir)


def train_fn(fn_args: FnArgs) -> TrainOnce[LanguageModelSettings]:
    """Returns the settings to begin with, and what trains with others on the same windows.

    Args:
      fn_args: TFX's, with a `custom_config` as for `run_fn`.
    """
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    size = len(read_vocabulary(transform_output))
    train_text, eval_text = (
        read_token_text(patterns, transform_output, size) for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    window = fn_args.custom_config["window"]

    def discard(checkpoint_dir: str) -> None:
        discard_checkpoint(checkpoint_dir)
        discard_best(checkpoint_dir)

    return TrainOnce(
        from_json(LanguageModelSettings, fn_args.custom_config["train"]),
        lambda settings, checkpoint_dir: train(settings, train_text, eval_text, window, size, checkpoint_dir),
        discard,
    )
