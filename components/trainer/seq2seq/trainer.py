"""The run function of TFX's Trainer for seq2seq models, and what the Tuner calls."""

import json
import logging
import os
from typing import Any

import keras
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs

from components.files import write_file
from components.settings import from_json, to_json
from components.trainer.checkpoint import checkpoint_name, discard_checkpoint
from components.trainer.fitting import Training, TrainOnce
from components.trainer.run_files import SAMPLED_PREDICTIONS, spread, write_run_files
from components.trainer.seq2seq.export import Decoding, PairsModel
from components.trainer.seq2seq.pairs import TokenPairs, read_pairs
from components.trainer.seq2seq.settings import Seq2SeqSettings, resolve
from components.trainer.seq2seq.training import train
from components.trainer.settings import apply_hyperparameters
from components.trainer.tensorboard import TensorBoard
from components.transform.token_pairs import SOURCE_VOCABULARY, TARGET_VOCABULARY, read_vocabulary

_LOG = logging.getLogger("charseq.trainer")

# An answer may be so much longer than the longest of training, and so many tokens more.
_LIMIT_FACTOR, _LIMIT_MORE = 2, 8


def run_fn(fn_args: FnArgs) -> None:
    """Trains on the transformed pairs, leaves the run's files, exports the SavedModel.

    Args:
      fn_args: TFX's. `custom_config` holds `train` (JSON of Seq2SeqSettings), `checkpoint_root` (the folder of checkpoints),
        `source_separator`, `target_separator`, `longest` (most characters of an input) and `unknown`, see `Decoding`.
    """
    config = fn_args.custom_config
    transform_output, vocabularies, training_pairs, validation_pairs = _read(fn_args, fn_args.transform_output)
    given = apply_hyperparameters(from_json(Seq2SeqSettings, config["train"]), fn_args.hyperparameters)
    settings = resolve(given, len(training_pairs))
    sizes = [len(vocabulary) for vocabulary in vocabularies]
    _LOG.info(
        "%d training and %d validation pairs, vocabularies of %d and %d",
        len(training_pairs),
        len(validation_pairs),
        *sizes,
    )
    _LOG.info("found from the data: %s", _found(given, settings))
    names = [json.dumps(vocabularies), training_pairs.fingerprint(), validation_pairs.fingerprint()]
    root = settings.checkpoint_dir or config["checkpoint_root"]
    checkpoint_dir = os.path.join(root, checkpoint_name(to_json(settings), [], *names))
    tensorboard = TensorBoard(os.path.join(fn_args.model_run_dir, "tensorboard"), settings.histograms)
    result = train(settings, training_pairs, validation_pairs, sizes[0], sizes[1], checkpoint_dir, [tensorboard])
    _LOG.info("trained %d epochs in %.1f s", len(result.history), result.seconds)
    write_run_files(result, fn_args.model_run_dir)
    decoding = Decoding(
        source_limit=config["longest"],
        target_limit=_LIMIT_FACTOR * int(training_pairs.target.lengths.max()) + _LIMIT_MORE,
        source_separator=config["source_separator"],
        target_separator=config["target_separator"],
        beam=settings.beam,
        length_penalty=settings.length_penalty,
        unknown=config["unknown"],
    )
    model = PairsModel(result.model, transform_output, decoding)
    model.save(fn_args.serving_model_dir)
    _write_predictions(model, validation_pairs, vocabularies, decoding, fn_args.model_run_dir)
    discard_checkpoint(checkpoint_dir)


def train_fn(fn_args: FnArgs) -> TrainOnce[Seq2SeqSettings]:
    """Returns the settings to begin with, and what trains with others on the same pairs.

    Args:
      fn_args: TFX's, with a `custom_config` as for `run_fn`.
    """
    _, vocabularies, training_pairs, validation_pairs = _read(fn_args, fn_args.transform_graph_path)
    sizes = [len(vocabulary) for vocabulary in vocabularies]

    def train_with(settings: Seq2SeqSettings, checkpoint_dir: str) -> Training:
        settled = resolve(settings, len(training_pairs))
        return train(settled, training_pairs, validation_pairs, sizes[0], sizes[1], checkpoint_dir)

    given = from_json(Seq2SeqSettings, fn_args.custom_config["train"])
    return TrainOnce(resolve(given, len(training_pairs)), train_with, discard_checkpoint)


def _read(
    fn_args: FnArgs, graph_uri: str
) -> tuple[tft.TFTransformOutput, tuple[list[str], list[str]], TokenPairs, TokenPairs]:
    """Returns Transform's graph, the tokens of inputs and answers by index, and the training and validation splits."""
    transform_output = tft.TFTransformOutput(graph_uri)
    source, target = (read_vocabulary(transform_output, name) for name in (SOURCE_VOCABULARY, TARGET_VOCABULARY))
    training_pairs, validation_pairs = (
        read_pairs(patterns, transform_output, len(source), len(target))
        for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    return transform_output, (source, target), training_pairs, validation_pairs


def _found(given: Seq2SeqSettings, settled: Seq2SeqSettings) -> str:
    """Returns the settings that were left open, and what they have become."""
    fields: dict[str, Any] = json.loads(to_json(settled))
    before: dict[str, Any] = json.loads(to_json(given))
    return ", ".join(f"{name} {value}" for name, value in fields.items() if before[name] != value)


def _write_predictions(
    model: PairsModel, pairs: TokenPairs, vocabularies: tuple[list[str], list[str]], decoding: Decoding, run_dir: str
) -> None:
    """Writes predictions.json: answers to examples spread over a split, as the served model gives them."""
    rows = spread(len(pairs), SAMPLED_PREDICTIONS)
    separators = decoding.source_separator, decoding.target_separator
    expressions, answers = (
        [separator.join(vocabulary[index] for index in side.row(row)) for row in rows]
        for side, vocabulary, separator in zip((pairs.source, pairs.target), vocabularies, separators, strict=True)
    )
    said = model.answer_tokens(keras.utils.pad_sequences([pairs.source.row(row) for row in rows], padding="post"))
    predictions = [
        {"expression": expression, "answer": answer, "predicted": predicted.decode()}
        for expression, answer, predicted in zip(expressions, answers, said.numpy(), strict=True)
    ]
    content = json.dumps(predictions, indent=1, ensure_ascii=False)
    write_file(os.path.join(run_dir, "predictions.json"), content.encode())
