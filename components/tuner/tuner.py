"""The tuner function of TFX's Tuner, for both families."""

import dataclasses
import logging
import os
from collections.abc import Callable
from typing import Any

import keras_tuner
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.settings import from_json
from components.trainer.checkpoint import discard_checkpoint
from components.trainer.fitting import Training
from components.trainer.input_pipeline import read_tokens
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.language_model.token_text import read_token_text
from components.trainer.language_model.training import discard_best
from components.trainer.language_model.training import train as train_language_model
from components.trainer.settings import FitSettings, TrainSettings
from components.trainer.training import train
from components.transform.preprocessing import read_vocabulary
from components.tuner.settings import Dimension, TuneSettings, parse_space

_LOG = logging.getLogger("charseq.tuner")

# Trains with some settings; the second argument is the folder of the checkpoint.
_Train = Callable[[Any, str], Training]


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Returns a tuner of the transformed examples.

    Args:
      fn_args: TFX's. `custom_config` holds `train` and `tune` (JSON of their settings) and for a language model `window`.
    """
    config = fn_args.custom_config
    tune = from_json(TuneSettings, config["tune"])
    settings: FitSettings
    if "window" in config:
        settings = from_json(LanguageModelSettings, config["train"])
        train_once = _language_model(fn_args, config["window"])
    else:
        settings = from_json(TrainSettings, config["train"])
        train_once = _seq2seq(fn_args)
    settings = dataclasses.replace(settings, epochs=tune.trial_epochs or settings.epochs)
    tuner = SettingsTuner(settings, parse_space(tune, settings), train_once, tune, fn_args.working_dir)
    return TunerFnResult(tuner=tuner, fit_kwargs={"verbose": 0})


class SettingsTuner(keras_tuner.Tuner):  # type: ignore[misc]
    """Draws settings at random and trains with them; what is known of earlier trials is not used, so any may be lost."""

    def __init__(
        self,
        settings: FitSettings,
        space: list[Dimension],
        train_once: _Train,
        tune: TuneSettings,
        working_dir: str,
    ):
        self._settings, self._space, self._train_once, self._trials = settings, space, train_once, tune.trials
        self._checkpoints = os.path.join(working_dir, "checkpoints")
        hyperparameters = keras_tuner.HyperParameters()
        for dimension in space:
            _draw(hyperparameters, dimension)
        oracle = keras_tuner.oracles.RandomSearchOracle(
            keras_tuner.Objective("val_loss", "min"),
            max_trials=tune.trials,
            seed=tune.seed,
            hyperparameters=hyperparameters,
        )
        super().__init__(oracle, directory=working_dir, project_name="tuner", overwrite=True)

    def search_space_summary(self, extended: bool = False) -> None:
        """Says nothing: it would print on standard output, and the settings say it all."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Says nothing: it would print on standard output; every trial is logged, and its result an artifact."""

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Trains with a trial's values: its lowest val_loss."""
        values = {dimension.field: _draw(trial.hyperparameters, dimension) for dimension in self._space}
        checkpoint_dir = os.path.join(self._checkpoints, trial.trial_id)
        training = self._train_once(dataclasses.replace(self._settings, **values), checkpoint_dir)
        discard_checkpoint(checkpoint_dir)
        discard_best(checkpoint_dir)
        val_loss = min(logs["val_loss"] for logs in training.history if "val_loss" in logs)
        number = int(trial.trial_id) + 1
        _LOG.info("trial %d of %d: val_loss %.4f with %s", number, self._trials, val_loss, values)
        return {"val_loss": val_loss}


def _draw(hyperparameters: keras_tuner.HyperParameters, dimension: Dimension) -> Any:
    """Returns a dimension's value, which is declared by asking for it."""
    if dimension.choices:
        return hyperparameters.Choice(dimension.field, list(dimension.choices))
    sampling = "log" if dimension.low > 0 else "linear"
    if dimension.whole:
        return hyperparameters.Int(dimension.field, int(dimension.low), int(dimension.high), sampling=sampling)
    return hyperparameters.Float(dimension.field, dimension.low, dimension.high, sampling=sampling)


def _seq2seq(fn_args: FnArgs) -> _Train:
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    size = len(read_vocabulary(transform_output))
    splits = [read_tokens(patterns, transform_output, size) for patterns in (fn_args.train_files, fn_args.eval_files)]
    return lambda settings, checkpoint_dir: train(settings, splits[0], splits[1], size, checkpoint_dir)


def _language_model(fn_args: FnArgs, window: int) -> _Train:
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    size = len(read_vocabulary(transform_output))
    splits = [
        read_token_text(patterns, transform_output, size) for patterns in (fn_args.train_files, fn_args.eval_files)
    ]
    return lambda settings, checkpoint_dir: train_language_model(
        settings, splits[0], splits[1], window, size, checkpoint_dir
    )
