"""What the run functions of the language models do, and what the Tuner calls."""

import logging
import os
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cleaning.settings import Cleaning
from components.settings import from_values, to_json
from components.trainer.checkpoint import checkpoint_name, discard_checkpoint
from components.trainer.fitting import Training, TrainOnce
from components.trainer.language_model.approach import Approach
from components.trainer.language_model.export import LanguageModel
from components.trainer.language_model.samples import SampleText
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.language_model.token_text import TokenText, first_character_probabilities, read_token_text
from components.trainer.language_model.training import discard_best, train
from components.trainer.run_files import write_run_files
from components.trainer.settings import apply_hyperparameters
from components.trainer.tensorboard import TensorBoard
from components.trainer.warm_start import prepare, save_weights
from components.transform.preprocessing import read_vocabulary

_LOG = logging.getLogger("charseq.trainer")

SettingsT = TypeVar("SettingsT", bound=LanguageModelSettings)


def run(
    fn_args: FnArgs,
    settings_class: type[SettingsT],
    approach_class: Callable[[SettingsT], Approach],
) -> None:
    """Trains on the transformed windows, leaves the run's files, exports the SavedModel.

    Args:
      fn_args: TFX's. `custom_config` holds `train` (values of the settings), `cleaning` (values of Cleaning: how the text was
        cleaned), `stand_in` (whether U+FFFD stands for the text's rare characters) and `checkpoint_root`, the folder of
        checkpoints.
      settings_class: The architecture's settings.
      approach_class: The architecture.
    """
    given = from_values(settings_class, fn_args.custom_config["train"])
    transform_output, vocabulary, train_text, validation_text = _read(fn_args, fn_args.transform_output)
    approach = approach_class(apply_hyperparameters(given, fn_args.hyperparameters)).of_data(
        vocabulary, len(train_text.tokens)
    )
    settings = approach.settings
    _LOG.info(
        "%d training and %d validation characters, %d different ones; settings %s",
        len(train_text.tokens),
        len(validation_text.tokens),
        len(vocabulary) - 1,
        to_json(settings),
    )

    def build(size: int) -> keras.Model:
        # What is kept is the core: what carries states around it has no weights.
        return approach.core(approach.build(size))

    start = prepare(settings, fn_args.base_model, [vocabulary], build, fn_args.model_run_dir)
    fingerprints = [train_text.fingerprint(), validation_text.fingerprint(), start.fingerprint]
    name = checkpoint_name(to_json(settings), vocabulary, *fingerprints)
    checkpoint_dir = os.path.join(settings.checkpoint_dir or fn_args.custom_config["checkpoint_root"], name)
    first = first_character_probabilities(train_text, vocabulary)
    tensorboard = TensorBoard(os.path.join(fn_args.model_run_dir, "tensorboard"), settings.histograms)
    samples_path = os.path.join(fn_args.model_run_dir, "samples.json")
    samples = SampleText(approach, first, train_text, vocabulary, samples_path)
    training = train(
        approach, train_text, validation_text, len(vocabulary), checkpoint_dir, [tensorboard, samples], start
    )
    _LOG.info("trained %d epochs in %.1f s", len(training.history), training.seconds)
    write_run_files(training, fn_args.model_run_dir)
    characters = approach.character_model(training.model, first)
    cleaning, stand_in = from_values(Cleaning, fn_args.custom_config["cleaning"]), fn_args.custom_config["stand_in"]
    served = LanguageModel(training.model, transform_output, characters, settings.max_length, cleaning, stand_in)
    served.save(fn_args.serving_model_dir)
    save_weights(training.model, [vocabulary], fn_args.serving_model_dir)
    discard_checkpoint(checkpoint_dir)
    discard_best(checkpoint_dir)


def train_once(
    fn_args: FnArgs,
    settings_class: type[SettingsT],
    approach_class: Callable[[SettingsT], Approach],
) -> TrainOnce[LanguageModelSettings]:
    """Returns the settings to begin with, and what trains with others on the same windows.

    Args:
      fn_args: TFX's, with a `custom_config` as for `run`.
      settings_class: The architecture's settings.
      approach_class: The architecture.
    """
    _, vocabulary, train_text, validation_text = _read(fn_args, fn_args.transform_graph_path)

    def approach(settings: SettingsT) -> Approach:
        return approach_class(settings).of_data(vocabulary, len(train_text.tokens))

    def train_with(settings: Any, checkpoint_dir: str) -> Training:
        return train(approach(settings), train_text, validation_text, len(vocabulary), checkpoint_dir)

    def discard(checkpoint_dir: str) -> None:
        discard_checkpoint(checkpoint_dir)
        discard_best(checkpoint_dir)

    return TrainOnce(
        approach(from_values(settings_class, fn_args.custom_config["train"])).settings, train_with, discard
    )


def _read(fn_args: FnArgs, graph_uri: str) -> tuple[tft.TFTransformOutput, list[str], TokenText, TokenText]:
    """Returns Transform's graph, the characters by index, and the training and validation splits."""
    transform_output = tft.TFTransformOutput(graph_uri)
    vocabulary = read_vocabulary(transform_output)
    train_text, validation_text = (
        read_token_text(patterns, transform_output, len(vocabulary))
        for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    return transform_output, vocabulary, train_text, validation_text
