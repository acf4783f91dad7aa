"""The run function of TFX's Trainer for seq2seq models, and what the Tuner calls."""

import dataclasses
import functools
import json
import logging
import os
from collections.abc import Iterable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.cleaning.settings import NO_CLEANING, Cleaning
from components.files import write_file
from components.settings import from_values, to_json
from components.trainer.checkpoint import checkpoint_name, discard_checkpoint
from components.trainer.fitting import Training, TrainOnce
from components.trainer.run_files import SAMPLED_PREDICTIONS, SampledPrediction, spread, write_run_files
from components.trainer.seq2seq.export import Decoding, PairsModel, Unknown
from components.trainer.seq2seq.inference import trained_networks
from components.trainer.seq2seq.model import build_model
from components.trainer.seq2seq.pairs import TokenPairs, read_pairs
from components.trainer.seq2seq.search import greedy
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.trainer.seq2seq.training import train
from components.trainer.settings import apply_hyperparameters
from components.trainer.tensorboard import TensorBoard
from components.trainer.warm_start import prepare, save_weights
from components.transform.token_pairs import SOURCE_VOCABULARY, TARGET_VOCABULARY, UNKNOWN, read_vocabulary

_LOG = logging.getLogger("charseq.trainer")

# An input or an answer may be so many times as long as the longest of training, and this many tokens longer: it bounds what a
# request can cost.
_TIMES_AS_LONG = 2
_LONGER = 16


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports: TFX's run function.

    Args:
      fn_args: TFX's. `custom_config` holds `train` (values of Seq2SeqSettings), `checkpoint_root` (the folder of checkpoints),
        `cleaning` (values of Cleaning), `source_separator`, `target_separator` and `unknown`, see `Decoding`.
    """
    config = fn_args.custom_config
    places = Places(
        fn_args.train_files,
        fn_args.eval_files,
        fn_args.transform_output,
        config["checkpoint_root"],
        fn_args.model_run_dir,
        fn_args.serving_model_dir,
        fn_args.base_model or "",
    )
    settings = apply_hyperparameters(from_values(Seq2SeqSettings, config["train"]), fn_args.hyperparameters)
    cleaning = from_values(Cleaning, config["cleaning"])
    train_and_export(
        settings, places, config["source_separator"], config["target_separator"], config["unknown"], cleaning
    )


def train_fn(fn_args: FnArgs) -> TrainOnce[Seq2SeqSettings]:
    """Returns the settings to begin with, and what trains with others on the same pairs.

    Args:
      fn_args: TFX's, with a `custom_config` as for `run_fn`.
    """
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    source, target, training_pairs, validation_pairs = _read(transform_output, fn_args.train_files, fn_args.eval_files)

    def train_with(settings: Seq2SeqSettings, checkpoint_dir: str) -> Training:
        found = resolve(settings, len(training_pairs))
        return train(found, training_pairs, validation_pairs, len(source), len(target), checkpoint_dir)

    given = from_values(Seq2SeqSettings, fn_args.custom_config["train"])
    return TrainOnce(resolve(given, len(training_pairs)), train_with, discard_checkpoint)


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a training reads and writes.

    Attributes:
      train_files: Globs of transformed training examples.
      validation_files: Globs of transformed validation examples.
      transform_output: Folder of the Transform graph.
      checkpoint_root: Folder of checkpoints, unless the settings name one.
      run_dir: Folder of what a run leaves for people to look at.
      model_dir: Folder of the SavedModel.
      base_model: Folder of the served version's SavedModel, which a warm start begins from; it may not exist.
    """

    train_files: list[str]
    validation_files: list[str]
    transform_output: str
    checkpoint_root: str
    run_dir: str
    model_dir: str
    base_model: str = ""


def train_and_export(
    settings: Seq2SeqSettings,
    places: Places,
    source_separator: str = "",
    target_separator: str = "",
    unknown: Unknown = "refuse",
    cleaning: Cleaning = NO_CLEANING,
) -> Training:
    """Trains on transformed examples, leaves the run's files, exports the SavedModel.

    Args:
      settings: The user's.
      places: Where to read and write.
      source_separator: What stands between an input's tokens; empty if every character is one.
      target_separator: Likewise of an answer's.
      unknown: What the model does with an input's unknown tokens.
      cleaning: How the strings of the examples were cleaned.
    """
    transform_output = tft.TFTransformOutput(places.transform_output)
    source, target, training_pairs, validation_pairs = _read(
        transform_output, places.train_files, places.validation_files
    )
    found = resolve(settings, len(training_pairs))
    _LOG.info(
        "%d training and %d validation pairs; %d source and %d target tokens; settings %s",
        len(training_pairs),
        len(validation_pairs),
        len(source),
        len(target),
        to_json(found),
    )
    vocabularies = [source, target]
    start = prepare(found, places.base_model, vocabularies, functools.partial(build_model, found), places.run_dir)
    fingerprints = [training_pairs.fingerprint(), validation_pairs.fingerprint(), start.fingerprint]
    checkpoint_dir = os.path.join(
        settings.checkpoint_dir or places.checkpoint_root,
        checkpoint_name(to_json(found), [*source, *target], *fingerprints),
    )
    tensorboard = TensorBoard(os.path.join(places.run_dir, "tensorboard"), settings.histograms)
    training = train(
        found, training_pairs, validation_pairs, len(source), len(target), checkpoint_dir, [tensorboard], start
    )
    _LOG.info("trained %d epochs in %.1f s", len(training.history), training.seconds)
    write_run_files(training, places.run_dir)
    decoding = Decoding(
        source_limit=_limit(training_pairs.source.lengths),
        target_limit=_limit(training_pairs.target.lengths),
        source_separator=source_separator,
        target_separator=target_separator,
        beam=found.beam,
        length_penalty=found.length_penalty,
        unknown=unknown,
        cleaning=cleaning,
    )
    samples = sample_predictions(training.model, validation_pairs, source, target, decoding)
    content = json.dumps([dataclasses.asdict(sample) for sample in samples], indent=1, ensure_ascii=False)
    write_file(os.path.join(places.run_dir, "predictions.json"), content.encode())
    PairsModel(training.model, transform_output, decoding).save(places.model_dir)
    save_weights(training.model, vocabularies, places.model_dir)
    discard_checkpoint(checkpoint_dir)
    return training


def _read(
    transform_output: tft.TFTransformOutput, train_files: list[str], validation_files: list[str]
) -> tuple[list[str], list[str], TokenPairs, TokenPairs]:
    """Returns the tokens of inputs and of answers by index, and the training and validation splits."""
    source, target = (read_vocabulary(transform_output, name) for name in (SOURCE_VOCABULARY, TARGET_VOCABULARY))
    training_pairs, validation_pairs = (
        read_pairs(patterns, transform_output, len(source), len(target)) for patterns in (train_files, validation_files)
    )
    return source, target, training_pairs, validation_pairs


def sample_predictions(
    model: keras.Model, pairs: TokenPairs, source: Sequence[str], target: Sequence[str], decoding: Decoding
) -> list[SampledPrediction]:
    """Returns greedy answers to 40 pairs spread over a split.

    Args:
      model: A trained model.
      pairs: The split.
      source: Tokens of inputs, by index.
      target: Tokens of answers, by index.
      decoding: How the model answers.
    """
    chosen = spread(len(pairs), SAMPLED_PREDICTIONS)
    asked, right = (rows.padded(chosen) for rows in (pairs.source, pairs.target))
    networks = trained_networks(model)
    said, _ = greedy(networks, networks.encode(tf.constant(asked)), decoding.target_limit)

    def join(indices: Iterable[int], tokens: Sequence[str], separator: str) -> str:
        # What training does not have has no name here.
        return separator.join(tokens[index] or "\ufffd" for index in indices if index >= UNKNOWN)

    return [
        SampledPrediction(
            join(asked[row], source, decoding.source_separator),
            join(right[row], target, decoding.target_separator),
            join(said[row].numpy(), target, decoding.target_separator),
        )
        for row in range(len(chosen))
    ]


def _limit(lengths: npt.NDArray[np.int64]) -> int:
    return int(lengths.max() - 1) * _TIMES_AS_LONG + _LONGER
