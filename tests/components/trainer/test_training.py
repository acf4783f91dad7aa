"""Training: that a killed one ends as one that was never killed, and what its settings mean."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.settings import SettingsError, to_json
from components.trainer.checkpoint import discard_checkpoint
from components.trainer.fixed_length import input_pipeline
from components.trainer.fixed_length.models import build_model
from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from components.trainer.fixed_length.training import train
from components.trainer.parts import count_parts, count_parts_for_cores

pytestmark = pytest.mark.model

QUICK = {
    "units": 8,
    "batch_size": 32,
    "epochs": 6,
    "steps_per_execution": 2,
    "checkpoint_seconds": 0.0,
    "histograms": False,
    "compiled": False,
}
SMALL = RecurrentSettings(**QUICK)
# A model of every architecture that has strings for answers.
MODELS = {
    "simple_rnn": RecurrentSettings(architecture="simple_rnn", **QUICK),
    "lstm": SMALL,
    "attention": AttentionSettings(validate_every=1, **QUICK),
}


def weights(training):
    return [np.asarray(v) for v in training.model.variables]


def same(first, second):
    return all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("architecture", MODELS)
def test_every_model_maps_indices_to_logits_of_every_position(architecture):
    model = build_model(MODELS[architecture], 5, 3, 12)
    assert model(np.zeros([7, 5], np.int32)).shape == (7, 3, 12)


def test_references_are_what_their_description_says():
    model = build_model(RecurrentSettings(architecture="lstm"), 5, 3, 12)
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["CategoryEncoding", "FusedLSTM", "RepeatVector", "FusedLSTM", "TimeDistributed"]
    assert all(isinstance(model.layers[i].cell.recurrent_initializer, keras.initializers.GlorotNormal) for i in (2, 4))
    assert model.count_params() == 4 * 128 * (12 + 128 + 1) + 4 * 128 * (128 + 128 + 1) + 128 * 12 + 12
    model = build_model(RecurrentSettings(architecture="simple_rnn"), 5, 3, 12)
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["CategoryEncoding", "SimpleRNN", "RepeatVector", "SimpleRNN", "TimeDistributed"]


@pytest.mark.parametrize("architecture", ["lstm", pytest.param("attention", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_weights(architecture, sums_arrays, tmp_path):
    settings = dataclasses.replace(MODELS[architecture], epochs=2)
    first = train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "1"))
    second = train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "2"))
    assert same(weights(first), weights(second))
    other = train(dataclasses.replace(settings, seed=5), sums_arrays, sums_arrays, 12, str(tmp_path / "3"))
    assert not same(weights(first), weights(other))


class _Stop(keras.callbacks.Callback):
    """Ends the process's training as a power cut would, as far as one process can."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("architecture", ["lstm", pytest.param("attention", marks=pytest.mark.slow)])
def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights_and_history(
    architecture, sums_arrays, tmp_path
):
    settings = dataclasses.replace(MODELS[architecture], patience=5)
    whole = train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "cut"), [_Stop()])
    assert os.listdir(tmp_path / "cut") == ["checkpoint.npz"]
    resumed = train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "cut"))
    assert same(weights(whole), weights(resumed))
    assert resumed.history == whole.history
    finished = train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "cut"))
    assert same(weights(whole), weights(finished)), "a training that was over is over"
    assert finished.history == whole.history
    discard_checkpoint(str(tmp_path / "cut"))
    assert os.listdir(tmp_path) == ["whole"]


def test_early_stopping_counts_on_after_a_restart(sums_arrays, tmp_path):
    # A learning rate this small never betters val_loss by more than noise in float32, so patience runs out.
    settings = dataclasses.replace(SMALL, learning_rate=1e-12, patience=4, epochs=50)
    whole = train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "whole"))
    assert len(whole.history) < 50
    with pytest.raises(KeyboardInterrupt):
        train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "cut"), [_Stop()])
    for _ in ("goes on", "is over"):
        assert len(train(settings, sums_arrays, sums_arrays, 12, str(tmp_path / "cut")).history) == len(whole.history)


@pytest.mark.slow
def test_a_process_killed_at_any_moment_goes_on(sums_arrays, tmp_path):
    program = textwrap.dedent("""
        import sys, keras, numpy as np
        from components.settings import from_json
        from components.trainer.fixed_length.input_pipeline import TokenArrays
        from components.trainer.fixed_length.settings import RecurrentSettings
        from components.trainer.fixed_length.training import train
        arrays = TokenArrays(*np.load(sys.argv[1]).values())
        class Say(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                print(epoch, flush=True)
        training = train(from_json(RecurrentSettings, sys.argv[2]), arrays, arrays, 12, sys.argv[3], [Say()])
        np.savez(sys.argv[4], *(np.asarray(v) for v in training.model.variables))
    """)
    np.savez(tmp_path / "arrays.npz", sums_arrays.tokens, sums_arrays.targets)
    settings = dataclasses.replace(SMALL, epochs=40)

    def start(checkpoints):
        arguments = [
            tmp_path / "arrays.npz",
            to_json(settings),
            tmp_path / checkpoints,
            tmp_path / f"{checkpoints}.npz",
        ]
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )

    killed = start("killed")
    for line in killed.stdout:
        if int(line) == 17:
            break
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    resumed, whole = start("killed"), start("whole")
    (first, *_), _ = resumed.communicate()[0].split("\n"), whole.communicate()
    assert resumed.returncode == whole.returncode == 0
    assert 15 <= int(first) < 40
    one, other = (np.load(tmp_path / f"{name}.npz") for name in ("killed", "whole"))
    assert same(list(one.values()), list(other.values()))


def test_settings_that_cannot_be_are_named():
    with pytest.raises(SettingsError, match=r"train\.architecture is 'gpt'; it is one of lstm, simple_rnn"):
        RecurrentSettings(architecture="gpt")
    with pytest.raises(SettingsError, match=r"train\.heads is 0"):
        AttentionSettings(heads=0)
    with pytest.raises(SettingsError, match=r"train\.epochs is 0"):
        RecurrentSettings(epochs=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["seq2seq", "windows", "carried state"])
def test_training_on_several_devices_follows_the_same_loss(tmp_path, family):
    program = textwrap.dedent("""
        import sys, numpy as np, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from components.trainer import fitting
        from components.trainer.fixed_length.input_pipeline import TokenArrays
        from components.trainer.language_model.settings import StreamSettings, WindowSettings
        from components.trainer.language_model.streams import Streams
        from components.trainer.language_model.training import train as train_text
        from components.trainer.language_model.windows import Windows
        from components.trainer.fixed_length.settings import AttentionSettings
        from components.trainer.fixed_length.training import train
        from tests.components.trainer.language_model.conftest import to_windows

        folder, family = sys.argv[1:]
        random = np.random.default_rng(1)
        arrays = TokenArrays(*(random.integers(0, 12, [64, width], dtype=np.uint8) for width in (3, 2)))
        tokens = random.integers(0, 12, 1_000, dtype=np.uint8)
        options = {"units": 8, "batch_size": 8, "epochs": 3, "histograms": False}

        def run(name):
            if family == "seq2seq":
                settings = AttentionSettings(**options)
                return train(settings, arrays, arrays, 12, folder + name)
            if family == "windows":
                approach, text = Windows(WindowSettings(window=10, **options)), to_windows(tokens, 10, 1, 3)
            else:
                dropouts = dict.fromkeys(("weight_dropout", "input_dropout", "output_dropout", "ngram_dropout"), 0.0)
                settings = StreamSettings(segment=10, optimizer="adam", **dropouts, **options)
                approach, text = Streams(settings), to_windows(tokens, 0, 20, 20)
            return train_text(approach, text, text, 12, folder + name)

        alone = run("/one")
        entered = []

        def two_devices():
            entered.append(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
            return entered[-1]

        fitting.distribution_strategy = two_devices
        together = run("/two")
        assert len(entered) == 1
        losses = ([epoch["loss"] for epoch in training.history] for training in (alone, together))
        np.testing.assert_allclose(*losses, rtol=1e-4)
    """)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", program, str(tmp_path), family]
    subprocess.run(command, check=True, timeout=300, cwd=root)


@pytest.mark.slow
def test_mixed_precision_and_op_determinism_are_options(tmp_path):
    program = textwrap.dedent("""
        import sys, numpy as np, keras
        from components.trainer.fixed_length.input_pipeline import TokenArrays
        from components.trainer.fixed_length.settings import RecurrentSettings
        from components.trainer.fixed_length.training import train
        random = np.random.default_rng(1)
        arrays = TokenArrays(*(random.integers(0, 12, [64, width], dtype=np.uint8) for width in (3, 2)))
        settings = RecurrentSettings(
            units=8, batch_size=16, epochs=3, histograms=False, precision="mixed_bfloat16", deterministic=True
        )
        trained = [train(settings, arrays, arrays, 12, sys.argv[1] + f"/{i}") for i in range(2)]
        model = trained[0].model
        assert model.layers[2].compute_dtype == "bfloat16"
        assert model.layers[-1].compute_dtype == "float32", "logits stay exact"
        assert all(variable.dtype == "float32" for variable in model.trainable_variables)
        for a, b in zip(trained[0].model.variables, trained[1].model.variables):
            np.testing.assert_array_equal(a, b)
    """)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=300)


def assert_parts(parts, count, cores, monkeypatch):
    """So many parts on a machine with these cores; one part where there is a GPU."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert count() == parts
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert count() == 1


@pytest.mark.parametrize(
    ("cores", "batch_size", "length", "parts"),
    [
        (2, 128, 8, 2),  # reference 2
        (2, 128, 40, 4),  # reference 3
        (1, 128, 8, 1),
        (16, 128, 8, 4),
        (16, 1_024, 8, 16),
        (2, 16, 8, 1),
        (3, 1_024, 20, 18),
    ],
)
def test_a_part_is_for_a_core_and_neither_too_small_nor_too_large(cores, batch_size, length, parts, monkeypatch):
    assert_parts(parts, lambda: count_parts(batch_size, length), cores, monkeypatch)


@pytest.mark.parametrize(
    ("cores", "batch_size", "members", "parts"),
    [(2, 32, 1, 2), (2, 64, 3, 1), (8, 64, 3, 3), (8, 128, 1, 8), (8, 32, 1, 2), (1, 32, 1, 1)],
)
def test_every_core_has_a_part_that_is_not_too_small(cores, batch_size, members, parts, monkeypatch):
    assert_parts(parts, lambda: count_parts_for_cores(batch_size, members), cores, monkeypatch)


@pytest.mark.parametrize(
    ("parts", "compiled"), [(3, False), *(pytest.param(parts, True, marks=pytest.mark.slow) for parts in (2, 3))]
)
def test_a_step_in_parts_is_the_step_of_the_whole_batch(parts, compiled, sums_arrays, tmp_path):
    # The last batch of an epoch has one row, so a part has none; and three parts of 32 rows are not alike.
    sums_arrays = input_pipeline.TokenArrays(sums_arrays.tokens[:129], sums_arrays.targets[:129])
    settings = dataclasses.replace(SMALL, compiled=compiled, epochs=3, learning_rate=0.01, steps_per_execution=0)

    def run(parts):
        changed = dataclasses.replace(settings, parts=parts)
        return train(changed, sums_arrays, sums_arrays, 12, str(tmp_path / str(parts)))

    whole, parted = run(1), run(parts)
    for one, other in zip(weights(whole), weights(parted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    for one, other in zip(whole.history, parted.history, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    assert same(weights(parted), weights(run(parts))), "parted trainings differ among themselves"
