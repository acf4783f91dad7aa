"""A whole run of `sums`, part by part: imports, fixed costs and work; beside the notebook of reference 2."""

import json
import logging
import os
import statistics
import tempfile

from benchmarks.measuring.figures import Figure
from benchmarks.measuring.processes import Measured, run_measured

_LOG = logging.getLogger("charseq.bench")

_TASK = "sums"

# Next to no data and training: what the components then take, they always take.
_LITTLE = ["data.count=500", "train.epochs=1"]

_TRAINING = "training alone"


def measure(runs: int, notebook: bool) -> list[Figure]:
    """Measures runs into empty roots, each in a process of its own, and the notebook of reference 2 once.

    A part's time is split into imports; fixed costs, which are what a run of 500 sums for one epoch takes without its imports;
    and work, which is the rest.

    Args:
      runs: Rounds; the median counts. There is one more before them, to warm up.
      notebook: Whether to run the notebook, which trains for minutes.
    """
    whole: list[Measured] = []
    little: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs + 1):
            for found, name, assignments in ((whole, "sums", []), (little, "500 sums, one epoch", _LITTLE)):
                settings = {
                    "task": _TASK,
                    "set": assignments,
                    "root": os.path.join(folder, f"{len(assignments)}{number}"),
                }
                measured = run_measured(["-m", "benchmarks.programs.pipeline_run", json.dumps(settings)])
                which = f"run {number} of {runs}" if number else "to warm up"
                _LOG.info("%s, %s: %.1f s", name, which, measured.seconds)
                if number:
                    found.append(measured)
        return _figures(whole, little) + (_notebook(folder) if notebook else [])


def _figures(whole: list[Measured], little: list[Measured]) -> list[Figure]:
    """Returns the whole, all but the training, and each part with its split in the note."""
    figures = [
        _figure("the whole run", [one.seconds for one in whole]),
        _figure(_TRAINING, [one.found["training"] for one in whole]),
        _figure("everything but the training", [one.seconds - one.found["training"] for one in whole]),
    ]
    for part in whole[0].found["parts"]:
        seconds, imports = ([one.found["parts"][part][index] for one in whole] for index in (0, 1))
        # Imports happen at one place in the one run and at another in the other, or not at all.
        least = [one.found["parts"][part][0] - one.found["parts"][part][1] for one in little]
        if part == "Trainer":  # compiling, which the training's time counts as well, stays in it
            seconds = [all_of_it - one.found["training"] for all_of_it, one in zip(seconds, whole, strict=True)]
            least = [all_of_it - one.found["training"] for all_of_it, one in zip(least, little, strict=True)]
        total, imported = statistics.median(seconds), statistics.median(imports)
        fixed = min(statistics.median(least), total - imported)
        note = f"imports {imported:.1f}, fixed {fixed:.1f}, work {total - imported - fixed:.1f}"
        figures.append(_figure(f"  {part}" + (" without the training" if part == "Trainer" else ""), seconds, note))
    around = [one.seconds - sum(seconds for seconds, _ in one.found["parts"].values()) for one in whole]
    return [*figures, _figure("  start and end of the process", around)]


def _notebook(folder: str) -> list[Figure]:
    measured = run_measured(["-m", "benchmarks.peers.notebooks", folder])
    parts = measured.found
    total = _figure(
        "the notebook of reference 2", [measured.seconds], "imports, data, model.fit, 40 predictions, files"
    )
    return [total, *(_figure(f"  {part}", [seconds]) for part, seconds in parts.items())]


def _figure(name: str, values: list[float], note: str = "") -> Figure:
    return Figure(name, statistics.median(values), "s", values, note)
