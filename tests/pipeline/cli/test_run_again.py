"""`charseq run` again: after a kill, and of a task file that has changed its data."""

import itertools
import os
import signal
import subprocess
import time

import pytest

from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.tiny import write_tiny_task

pytestmark = pytest.mark.e2e


MILK = ("--set", "train.units=8", "--set", "train.steps=30", "--set", "gate.beat_floor=false")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"),
    [("tiny", signal.SIGKILL), ("tiny", signal.SIGTERM), ("tiny", signal.SIGHUP), ("milk", signal.SIGKILL)],
)
def test_a_run_killed_in_training_goes_on_from_its_checkpoint(charseq, tmp_path, name, number):
    root = tmp_path / "root"
    task = ["milk", *MILK] if name == "milk" else [write_tiny_task(tmp_path)]
    arguments = ["run", *task, "--json", "--root", root]
    arguments += ["--set", "train.epochs=15", "--set", "train.checkpoint_seconds=0", "--set", "run.cache=true"]
    process = subprocess.Popen([CHARSEQ, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoints = root / "checkpoints" / name
    deadline = time.monotonic() + 1_200
    while not list(checkpoints.glob("*/checkpoint.npz")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    process.wait()
    result = charseq(*arguments)
    assert result.status == 0, result.stderr
    assert "going on from the checkpoint after epoch" in result.stderr
    reader = "SeriesExampleGen" if name == "milk" else "PairsExampleGen"
    assert {reader, "Transform"} <= set(result.json["cached"])
    assert "Trainer" not in result.json["cached"]
    assert result.json["metrics"]["epochs"] == 15
    assert os.listdir(checkpoints) == []


@pytest.mark.slow
def test_a_users_own_task_file_of_pairs_is_trained_and_a_wrong_line_is_named(charseq, tmp_path):
    words = ["".join(letters) for letters in itertools.product("äbcdefgh", repeat=3)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words))
    (tmp_path / "backwards.toml").write_text("""
        family = "pairs"
        [data]
        files         = "pairs.tsv"
        test_fraction = 0.3
        [train]
        epochs = 12
        members = 1
    """)
    # The path begins at the file's folder, wherever the command is given.
    arguments = ["run", tmp_path / "backwards.toml", "--json", "--root", tmp_path / "runs"]
    result = charseq(*arguments)
    assert result.status == 0, result.stderr
    assert result.json["task"] == "backwards"
    assert (tmp_path / "runs" / "serving" / "backwards" / str(result.json["pushed_version"])).is_dir()
    assert result.json["metrics"]["examples"] > 100
    assert result.json["metrics"]["exact_match"] > 0.9
    (tmp_path / "pairs.tsv").write_text("a\tb\nno tab here\n")
    result = charseq(*arguments)
    assert result.status == 2
    assert "pairs.tsv, line 2: the row has 1 column" in result.json["reasons"][0]
