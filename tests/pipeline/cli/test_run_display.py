"""What a run shows while it runs, in a terminal and elsewhere, and what Ctrl-C leaves."""

import io
import logging
import os
import pty
import re
import select
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from components.trainer.progress_record import TrainingProgress
from pipeline.cli.terminal.run_display import LiveList, describe_progress
from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.tiny import write_tiny_task


@pytest.fixture
def listed():
    """A list in a terminal of 80 columns, and a function that returns its lines as they are now."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    live = LiveList(console)

    def lines():
        with console.capture() as capture:
            console.print(live)
        return [line.rstrip() for line in capture.get().splitlines()]

    return live, lines


def log(live, level, message, **extra):
    live.handle(logging.makeLogRecord({"levelno": level, "msg": message, "name": "charseq.x"} | extra))


def progress(epoch, seconds_left=None, **logs):
    return TrainingProgress(epoch, 40, 1, logs, seconds_left)


def test_components_wait_run_and_are_done(listed):
    live, lines = listed
    assert "importing" in lines()[0]
    live.on_plan(["Transform", "Trainer", "Pusher"])
    live.on_start("Transform")
    live.on_done("Transform", 3.21, cached=False)
    live.on_start("Trainer")
    log(live, logging.INFO, "4907 training examples")
    assert lines()[2].endswith("4907 training examples")
    log(live, logging.DEBUG, "", progress=progress(12, 8.4, loss=0.25, val_loss=0.5))
    _, transform, trainer, pusher = lines()
    assert re.fullmatch(r" ✓ +Transform +3\.2 s", transform)
    assert trainer.endswith("epoch 12/40  8 s left  loss 0.2500  val_loss 0.5000")
    assert re.fullmatch(r" · +Pusher", pusher)
    log(live, logging.INFO, "trained 40 epochs")
    assert "epoch 12/40" in lines()[2]


def test_what_came_from_an_earlier_run_and_what_failed_is_said(listed):
    live, lines = listed
    live.on_plan(["Transform", "Trainer"])
    live.on_start("Transform")
    live.on_done("Transform", 0.1, cached=True)
    live.on_start("Trainer")
    live.on_failed("Trainer", "no space left on\nthe device")
    assert "cached" in lines()[1]
    assert re.search(r"✗ +Trainer .* no space left on$", lines()[2])


def test_warnings_are_printed_above_the_list(listed):
    live, _ = listed
    log(live, logging.WARNING, "the model is [refused]")
    assert "the model is [refused]" in live._terminal.file.getvalue()


def test_a_training_that_goes_on_from_a_checkpoint_says_so():
    went_on = TrainingProgress(20, 40, 13, {"loss": 0.1}, 300.0)
    assert describe_progress(went_on) == "epoch 20/40 (from the checkpoint after 12)  5 min left  loss 0.1000"


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, arguments):
        self._master, slave = pty.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        self.process = subprocess.Popen(
            arguments, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.output = ""

    def read_until(self, done, seconds=1_200.0):
        """Reads what it writes until `done()`, or until it has ended."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.output[-2000:]
            if not select.select([self._master], [], [], 0.2)[0]:
                continue
            try:
                self.output += os.read(self._master, 65536).decode(errors="replace")
            except OSError:  # it has closed its end
                break

    def press_ctrl_c(self):
        """As the terminal does: to all that it has started."""
        os.killpg(self.process.pid, 2)

    def end(self):
        self.read_until(lambda: False)
        status = self.process.wait(120)
        os.close(self._master)
        return status


@pytest.mark.slow
@pytest.mark.e2e
def test_ctrl_c_in_training_leaves_what_is_done_and_says_how_to_go_on(charseq, tmp_path):
    root = tmp_path / "a root"
    arguments = [CHARSEQ, "run", str(write_tiny_task(tmp_path)), "--root", str(root)]
    arguments += ["--set", "train.epochs=15", "--set", "train.checkpoint_seconds=0"]
    terminal = Terminal(arguments)
    checkpoints = root / "checkpoints" / "tiny"
    terminal.read_until(lambda: re.search(r"epoch \d+/15", terminal.output) and list(checkpoints.glob("*/*.npz")))
    terminal.press_ctrl_c()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.output
    assert re.search(r"✓.* Transform", terminal.output)
    assert "interrupted  epoch" in terminal.output
    again = terminal.output.strip().splitlines()[-1]
    (run,) = charseq("runs", "--json", "--root", root).json["runs"]
    assert (run["result"], run["pushed_version"]) == ("interrupted", None)
    page = Path(charseq("report", "--json", "--root", root).json["report"]).read_text()
    assert "Interrupted in Trainer" in page

    went_on = charseq(*shlex.split(again)[1:], "--json")
    assert went_on.status == 0, went_on.stderr
    assert {"PairsExampleGen", "StatisticsGen", "Transform"} <= set(went_on.json["cached"])
    assert "going on from the checkpoint after epoch" in went_on.stderr
    assert went_on.json["metrics"]["epochs"] == 15
