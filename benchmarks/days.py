"""Seven days of pairs: each day a run from nothing and a run that begins from the served version, on the same rows."""

import csv
import logging
import os
import runpy
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring.figures import Figure
from benchmarks.measuring.processes import run_measured

_LOG = logging.getLogger("charseq.bench")

# Makes the rows: names of products as suppliers write them, each different, and as a catalogue does.
_MAKER = Path(__file__).parents[1] / "examples" / "product-names" / "make_data.py"

_FIRST_DAY_ROWS = 60
_ROWS_A_DAY = 40

# Names that no day has. They judge every version, so that its error can be compared with that of another day.
_TEST_ROWS = 1_000

# A network small enough for a day to take less than a minute.
_TASK = """\
name   = "product-names"
family = "pairs"

[data]
files      = ["days/*.csv"]
test_files = ["test.csv"]

[train]
members = 1
layers  = 1
units   = 64
shapes  = 1
"""

# What `docs/how-to/new-data.md` recommends: fewer epochs, at half the rate.
_SIDES = {"from nothing": (), "warm start": ("train.warm_start=true", "train.epochs=10", "train.learning_rate=0.002")}


def measure(days: int) -> list[Figure]:
    """Measures both runs of each day, one after the other, each in a process of its own.

    Args:
      days: How many.
    """
    rows = runpy.run_path(str(_MAKER))["make_rows"](_TEST_ROWS + _FIRST_DAY_ROWS + (days - 1) * _ROWS_A_DAY)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "days"))
        _write(os.path.join(folder, "test.csv"), rows[:_TEST_ROWS])
        task_file = os.path.join(folder, "product-names.toml")
        Path(task_file).write_text(_TASK)
        start = _TEST_ROWS
        for day in range(1, days + 1):
            stop = start + (_ROWS_A_DAY if start > _TEST_ROWS else _FIRST_DAY_ROWS)
            _write(os.path.join(folder, "days", f"day-{day}.csv"), rows[start:stop])
            start = stop
            for side, assignments in _SIDES.items():
                figures += _run(f"day {day}, {side}", task_file, os.path.join(folder, side), assignments)
    return figures


def _run(name: str, task_file: str, root: str, assignments: Iterable[str]) -> list[Figure]:
    """Runs a task and returns its test error, with the epochs and the gate's verdict, and its seconds."""
    settings = [argument for assignment in assignments for argument in ("--set", assignment)]
    arguments = ["-c", "from pipeline.cli import main; main()", "run", task_file, "--root", root, "--json", *settings]
    measured = run_measured(arguments, (0, 1))
    found = measured.found
    metrics = found["metrics"]
    _LOG.info("%s: %s", name, metrics)
    low, high = (100 * (1 - metrics[f"exact_match_{end}"]) for end in ("high", "low"))
    verdict = "" if found["blessed"] else "; the gate kept the version before"
    note = f"95% interval {low:.1f} to {high:.1f}; {metrics['epochs']:.0f} epochs{verdict}"
    return [
        Figure(f"{name}: names wrong", 100 * (1 - metrics["exact_match"]), "%", [], note),
        Figure(f"{name}: training", metrics["train_seconds"], "s"),
        Figure(f"{name}: the whole run", measured.seconds, "s"),
        Figure(f"{name}: processor time of the whole run", measured.cpu_seconds, "s"),
    ]


def _write(path: str, rows: Sequence[Any]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("input", "target"), *rows])
