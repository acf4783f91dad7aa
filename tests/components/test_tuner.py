"""The Tuner: what is tried out, which one wins, and that the Trainer trains with it."""

import json

import pytest

from components.settings import SettingsError
from components.trainer.fitting import Training, TrainOnce
from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from components.trainer.language_model.settings import StreamSettings, WindowSettings
from components.trainer.settings import apply_hyperparameters
from components.tuner.settings import TuneSettings, parse_space
from components.tuner.tuner import SettingsTuner
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task

pytestmark = pytest.mark.model

SPACE = (
    "learning_rate=1e-3:1e-1",
    "units=8|16|32",
    "epochs=2:9",
    "compiled=true|false",
    "architecture=lstm|simple_rnn",
)


def search(folder, train, discarded=None, **changes):
    settings = RecurrentSettings()
    tune = TuneSettings(trials=12, space=SPACE, **changes)
    once = TrainOnce(settings, train, ([] if discarded is None else discarded).append)
    tuner = SettingsTuner(settings, parse_space(tune, settings), once, tune, str(folder))
    tuner.search_space_summary()
    tuner.search(verbose=0)
    tuner.results_summary()
    return tuner.get_best_hyperparameters()[0]


def test_the_settings_with_the_lowest_validation_loss_win_and_are_trained_with(tmp_path):
    tried, checkpoints, discarded = [], [], []

    def train(settings, checkpoint_dir):
        tried.append(settings)
        checkpoints.append(checkpoint_dir)
        # An early epoch may be the best one; other epochs may have no validation.
        loss = abs(settings.learning_rate - 0.02) + settings.units / 1_000
        return Training(None, [{"loss": 0.0}, {"val_loss": loss}, {"val_loss": 9.0}], 0.0)

    best = search(tmp_path, train, discarded)
    assert len(tried) == 12
    assert discarded == checkpoints
    assert len(set(checkpoints)) == 12
    assert len({settings.learning_rate for settings in tried}) == 12
    assert {settings.units for settings in tried} <= {8, 16, 32}
    assert {settings.epochs for settings in tried} <= set(range(2, 10))
    assert {settings.compiled for settings in tried} == {True, False}
    assert {settings.architecture for settings in tried} == {"lstm", "simple_rnn"}
    winner = min(tried, key=lambda settings: abs(settings.learning_rate - 0.02) + settings.units / 1_000)
    # As TFX hands them on, in JSON.
    handed = json.loads(json.dumps(best.get_config()))
    assert apply_hyperparameters(RecurrentSettings(), handed) == winner
    assert apply_hyperparameters(RecurrentSettings(), None) == RecurrentSettings()


def test_standard_output_is_left_to_the_command(tmp_path, capsys):
    search(tmp_path, lambda settings, checkpoint_dir: Training(None, [{"val_loss": 1.0}], 0.0))
    assert capsys.readouterr().out == ""


def test_the_same_seed_tries_the_same_settings(tmp_path):
    def run(name, seed):
        tried = []

        def train(settings, checkpoint_dir):
            tried.append(settings)
            return Training(None, [{"val_loss": 1.0}], 0.0)

        search(tmp_path / name, train, seed=seed)
        return tried

    assert run("a", 1) == run("b", 1) != run("c", 2)


@pytest.mark.parametrize("train", [RecurrentSettings(), AttentionSettings(), StreamSettings(), WindowSettings()])
def test_every_architecture_has_a_space(train):
    assert "learning_rate" in {dimension.field for dimension in parse_space(TuneSettings(trials=1), train)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("units", "is neither field=a|b|c nor field=low:high"),
        ("width=8|16", "train has no 'width'"),
        ("units=8|wide", "train.units does not take '8|wide'"),
        ("units=0|8", "train.units is 0"),
        ("learning_rate=1:0.1", "ends before it begins"),
        ("compiled=yes|no", "train.compiled does not take"),
        ("architecture=gpt|lstm", "train.architecture is 'gpt'"),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_anything_runs(line, said):
    with pytest.raises(SettingsError) as error:
        override(load_task("sums"), ["tune.trials=2", f"tune.space={line}"])
    assert said in str(error.value)


def test_a_language_models_own_fields_can_be_tuned():
    config = override(
        load_task("text"), ["weight_dropout=0", "trials=2", "tune.space=output_dropout=0:0.5,cell=lstm|gru"]
    )
    fields = [dimension.field for dimension in parse_space(config.tune, config.train)]
    assert fields == ["output_dropout", "cell"]
