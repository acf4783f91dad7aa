"""Kills runs at many moments, spread over all components, and checks what the next run makes of it.

  python -m tests.kill_sweep --tasks sums pairs text series --each 6

A moment is a component and a share of the time that it takes undisturbed. Every run takes from the cache what the ones that
were killed before it have done, so that all moments of a task together cost about as much as `each` whole runs. Processes are
forked from one that has imported TensorFlow, which takes longer than most components.
"""

import argparse
import contextlib
import dataclasses
import datetime
import itertools
import json
import math
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from pipeline import load_task, open_runs
from pipeline.local.run import run_task
from pipeline.places import Places
from pipeline.run_observer import RunObserver

_SMALL = [
    "train.epochs=2",
    "train.compiled=false",
    "train.histograms=false",
    "train.checkpoint_seconds=0",
    "run.cache=true",
]

_SETTINGS = {
    "sums": [
        "data.count=600",
        "data.examples_per_shard=300",
        "gate.exact_match=0.0",
        "train.units=16",
        "train.embedding=16",
    ],
    "pairs": ["train.units=16", "train.embedding=8", "train.layers=1", "train.members=1", "gate.beat_floor=false"],
    "text": ["train.units=16", "train.embedding=8", "gate.beat_floor=false", "train.keep=best_val_loss"],
    "series": ["train.units=8", "train.steps=30", "train.synthetic_windows=200", "gate.beat_floor=false"],
}


class Killer(RunObserver):
    """Ends the process a while after a component has begun; notes how long each takes."""

    def __init__(self, component="", after=0.0):
        self._component, self._after = component, after
        self.seconds = {}

    def on_start(self, component):
        if component == self._component:
            threading.Timer(self._after, os.kill, (os.getpid(), signal.SIGKILL)).start()

    def on_done(self, component, seconds, cached):
        self.seconds[component] = seconds


@dataclasses.dataclass
class Sweep:
    """What came of killing a task's runs.

    Attributes:
      task: The task.
      moments: Runs that were killed.
      survived: Runs that ended before their moment came.
      in_components: In how many components the kills were.
      faults: What was wrong afterwards, a sentence each.
    """

    task: str
    moments: int = 0
    survived: int = 0
    in_components: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)


def forked(work):
    """Runs a function in a fork; returns what it returned, or None if the fork was killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        status = 1
        try:
            with os.fdopen(os.open(os.devnull, os.O_WRONLY), "w") as nothing, contextlib.redirect_stderr(nothing):
                found = work()
            with os.fdopen(write, "w") as file:
                json.dump(found, file)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as file:
        content = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a run ended with an error of its own; see its traceback above")
    return json.loads(content) if content else None


def run_once(config, root, component="", after=0.0):
    """Runs a task; returns what is to be the same whatever happened before."""
    killer = Killer(component, after)
    result = run_task(config, Places(str(root)), killer)
    if result.bad_input or not result.pushed_version:
        raise RuntimeError(f"the run has failed: {result.reasons}")
    # A run that was killed just after its push has left a version to compare with.
    timed = ("train_seconds", "epochs")
    shown = {n: value for n, value in result.metrics.items() if n not in timed and not n.startswith("baseline_")}
    version = Path(result.serving_dir, config.task, str(result.pushed_version))
    return {"metrics": shown, "seconds": killer.seconds, "weights": weights_of(version), "cached": result.cached}


def weights_of(version):
    """Returns the bytes of a version's variables, as text."""
    return "".join(path.read_bytes().hex() for path in sorted(version.glob("variables/variables.data*")))


def look(root, task):
    """Returns what is wrong in a root after a run was killed: in its records, and in what is served."""
    faults = []
    for record in open_runs(root):
        for name, part in record.done.items():
            for key, output in part.outputs.items():
                files = [path for path in Path(output.uri).rglob("*") if path.is_file()]
                if not Path(output.uri).is_dir():
                    faults.append(f"{name}.{key} is done, and its folder is not there")
                faults += [f"{name}.{key} is done, and {path} is unfinished" for path in files if ".part" in path.name]
    for version in Path(root, "serving", task).glob("[0-9]*"):
        if not weights_of(version) or not (version / "saved_model.pb").stat().st_size:
            faults.append(f"version {version.name} is not whole")
    return faults


def orphans(root):
    """Returns processes that a killed run has left."""
    return [
        p
        for p in psutil.process_iter(["cmdline", "ppid"])
        if any(str(root) in part for part in p.info["cmdline"] or ())
    ]


def sweep(name, task, assignments, each, folder):
    """Kills runs of a task at `each` moments of every component."""
    config = load_task(str(task), [*_SMALL, *assignments])
    found = Sweep(name)
    undisturbed = forked(lambda: run_once(config, Path(folder, "undisturbed")))
    root = Path(folder, "killed")
    for component, seconds in undisturbed["seconds"].items():
        killed_here = 0
        for share in range(each):
            after = seconds * (share + 0.5) / each
            if forked(lambda c=component, a=after: run_once(config, root, c, a)) is not None:
                found.survived += 1
                break  # what is done is cached from now on
            killed_here += 1
            found.moments += 1
            with contextlib.suppress(LookupError):  # killed before it was noted
                found.faults += look(root, config.task)
            time.sleep(0.2)
            for process in orphans(root):
                found.faults.append(f"killed in {component}, it left {' '.join(process.cmdline())[:200]}")
                process.kill()
        found.in_components += killed_here > 0
        print(f"{name} {component}: killed {killed_here} times", flush=True)
    after = forked(lambda: run_once(config, root))
    found.faults += _differences(undisturbed["metrics"], after["metrics"])
    if after["weights"] != undisturbed["weights"]:
        found.faults.append("the weights are not those of an undisturbed run")
    found.faults += look(root, config.task)
    return found


def _differences(expected, metrics):
    """Returns where figures are not those of an undisturbed run."""
    return [
        f"{name} is {metrics.get(name)}, and {expected.get(name)} in an undisturbed run"
        for name in sorted({*expected, *metrics})
        if not math.isclose(metrics.get(name, math.inf), expected.get(name, -math.inf), rel_tol=1e-6)
    ]


def write_data(folder):
    """Writes the data of the tasks; returns their task files or names."""
    words = ["".join(letters) for letters in itertools.product("abcdefg", repeat=3)]
    Path(folder, "pairs.tsv").write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words))
    Path(folder, "pairs.toml").write_text('family = "pairs"\n[data]\nfiles = "pairs.tsv"\ntest_fraction = 0.3\n')
    Path(folder, "book.txt").write_text("It was the best of times, it was the worst of times. \n" * 600)
    Path(folder, "text.toml").write_text('family = "text"\n[data]\ncorpus = "book.txt"\n')
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(day) for day in range(150)]
    values = [50 + 10 * (day % 7) + day * day % 11 for day in range(150)]
    rows = [f"{day},{value}\n" for day, value in zip(days, values, strict=True)]
    Path(folder, "sales.csv").write_text("day,sales\n" + "".join(rows))
    Path(folder, "series.toml").write_text('family = "series"\n[data]\nfiles = "sales.csv"\n')
    files = {name: Path(folder, f"{name}.toml") for name in ("pairs", "text", "series")}
    return {"sums": "sums", **files}


def main():
    """Sweeps over the tasks that are named, and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=list(_SETTINGS), choices=list(_SETTINGS))
    parser.add_argument("--each", type=int, default=6, help="moments of every component")
    arguments = parser.parse_args()
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        tasks = write_data(folder)
        for name in arguments.tasks:
            inner = Path(folder, name)
            inner.mkdir()
            found = sweep(name, tasks[name], _SETTINGS[name], arguments.each, inner)
            print(json.dumps(dataclasses.asdict(found)), flush=True)
            faults += len(found.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
