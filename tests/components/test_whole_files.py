"""Files and folders that are whole or not there: after a kill, an error, a full disk or a power cut."""

import contextlib
import os

import keras
import numpy as np
import pytest

from components.files import sync_folder, sync_parents, write_file
from components.trainer.checkpoint import TrainingState
from components.trainer.weights_file import BestWeights, read_arrays, write_arrays
from tests.power_cut import PowerCut, PowerFailedError


def test_when_the_power_fails_a_file_is_the_one_before_or_the_one_after(tmp_path, monkeypatch):
    moment, done = 0, False
    seen = set()
    while not done:
        moment += 1
        disk = tmp_path / f"{moment}"
        (disk / "data").mkdir(parents=True)
        path = disk / "data" / "file"
        write_file(str(path), b"before")
        with monkeypatch.context() as patched:
            power = PowerCut(disk / "data", patched, fails_at=moment)
            with contextlib.suppress(PowerFailedError):
                write_file(str(path), b"after")
                done = True
        seen.add((power.restart(disk / "after") / "file").read_bytes())
    assert seen == {b"before", b"after"}
    assert (disk / "after" / "file").read_bytes() == b"after", "what was written is there"


def test_an_error_while_writing_leaves_the_file_before_and_nothing_beside(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(str(path), b"after")
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"before"


def test_an_object_store_gets_the_file_whole(tmp_path):
    for content in (b"before", b"after"):
        write_file(f"file://{tmp_path}/new/file", content)
        assert (tmp_path / "new" / "file").read_bytes() == content
    assert os.listdir(tmp_path / "new") == ["file"]


def test_an_artifact_that_was_synced_survives_a_power_cut(tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    power = PowerCut(tmp_path / "root", monkeypatch)
    artifact = tmp_path / "root" / "artifacts" / "task" / "Trainer" / "model" / "8"
    for name in ("variables/index", "saved_model.pb"):
        (artifact / name).parent.mkdir(parents=True, exist_ok=True)
        (artifact / name).write_bytes(name.encode())
    lost = artifact.parent / "9"
    lost.mkdir()
    sync_folder(str(artifact))
    sync_parents(str(artifact))
    (artifact / "late").write_bytes(b"lost")
    left = power.restart(tmp_path / "after")
    files = {str(path.relative_to(left)): path.read_bytes() for path in left.rglob("*") if path.is_file()}
    inner = "artifacts/task/Trainer/model/8"
    assert files == {
        f"{inner}/variables/index": b"variables/index",
        f"{inner}/saved_model.pb": b"saved_model.pb",
    }


def test_damaged_weights_are_left_out_and_named(tmp_path, caplog):
    path = str(tmp_path / "weights.npz")
    assert read_arrays(path) == {}
    write_arrays(path, {"a": np.arange(1000.0), "b": np.array("text")})
    assert read_arrays(path)["a"].sum() == 499_500
    with open(path, "rb") as file:
        whole = file.read()
    half = bytearray(whole)
    half[len(whole) // 2] ^= 0xFF
    for content in (b"", whole[: len(whole) // 2], whole[:-1], b"nonsense", bytes(len(whole)), bytes(half)):
        caplog.clear()
        with open(path, "wb") as file:
            file.write(content)
        assert read_arrays(path) == {}
        assert f"{path} is damaged and left out" in caplog.text


def _model():
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


@pytest.mark.model
def test_a_training_begins_anew_where_its_checkpoint_is_damaged(tmp_path):
    model = _model()
    state = TrainingState(str(tmp_path / "run"), 0.0, [])
    state.restore(model)
    model.fit(np.ones([8, 2]), np.ones([8, 1]), epochs=2, callbacks=[state], verbose=0)
    (checkpoint,) = (tmp_path / "run").iterdir()
    assert TrainingState(str(tmp_path / "run"), 0.0, []).restore(_model()) == 2
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert TrainingState(str(tmp_path / "run"), 0.0, []).restore(_model()) == 0


@pytest.mark.model
def test_the_best_epochs_weights_come_back_also_after_an_interruption(tmp_path):
    path = str(tmp_path / "run.best.npz")
    figures = iter([3.0, 1.0, 2.0, float("nan")])
    model = _model()
    best = BestWeights(path, "val_loss")
    best.set_model(model)
    kept = None
    for epoch, figure in enumerate(figures):
        model.layers[0].bias.assign([float(epoch)])
        best.on_epoch_end(epoch, {"val_loss": figure})
        kept = kept or (model.get_weights() if figure == 1.0 else None)
    best.on_epoch_end(4, {"loss": 0.0})  # an epoch that was not validated
    other = _model()
    BestWeights(path, "val_loss").restore(other)
    for expected, restored in zip(kept, other.get_weights(), strict=True):
        np.testing.assert_array_equal(restored, expected)
    # The state of the training remembers what the best figure was.
    state = TrainingState(str(tmp_path / "run"), 0.0, [best])
    state.restore(model)
    state.on_train_begin()
    state.on_train_end()
    again = BestWeights(path, "val_loss")
    state = TrainingState(str(tmp_path / "run"), 0.0, [again])
    state.restore(_model())
    state.on_train_begin()
    assert again.best == 1.0
