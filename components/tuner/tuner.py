"""The tuner function of TFX's Tuner, for every architecture."""

import dataclasses
import importlib
import logging
import os
from typing import Any

import keras_tuner
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.settings import from_values
from components.trainer.fitting import TrainOnce
from components.trainer.settings import FitSettings
from components.tuner.settings import Dimension, TuneSettings, parse_space

_LOG = logging.getLogger("charseq.tuner")


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Returns a tuner of the transformed examples.

    Args:
      fn_args: TFX's. `custom_config` holds `trainer` (the module with the architecture's `train_fn`), `tune` (values of
        TuneSettings), and what that function reads.
    """
    tune = from_values(TuneSettings, fn_args.custom_config["tune"])
    once = importlib.import_module(fn_args.custom_config["trainer"]).train_fn(fn_args)
    settings = dataclasses.replace(once.settings, epochs=tune.trial_epochs or once.settings.epochs)
    tuner = SettingsTuner(settings, parse_space(tune, settings), once, tune, fn_args.working_dir)
    return TunerFnResult(tuner=tuner, fit_kwargs={"verbose": 0})


class SettingsTuner(keras_tuner.Tuner):  # type: ignore[misc]
    """Draws settings at random and trains with them; what is known of earlier trials is not used, so any may be lost."""

    def __init__(
        self,
        settings: FitSettings,
        space: list[Dimension],
        once: TrainOnce[Any],
        tune: TuneSettings,
        working_dir: str,
    ):
        self._settings, self._space, self._once, self._trials = settings, space, once, tune.trials
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
        training = self._once.train(dataclasses.replace(self._settings, **values), checkpoint_dir)
        self._once.discard(checkpoint_dir)
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
