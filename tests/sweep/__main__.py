"""Kills runs at many moments, spread over all components, and checks what the next run makes of it.

  python -m tests.sweep --families sums pairs --moments 60
  python -m tests.sweep --power

With --power the machine loses its power at every second moment as well: what was not written through to the disk is lost.

Every component has as many moments: as it begins, and then evenly over the work that it does undisturbed. Every run takes from
the cache what the ones that were killed before it have done. After every third component, and at the end, a run goes on to its
end: it must have the weights and figures of an undisturbed one. Processes are forked from one that has imported TensorFlow,
which takes longer than most components.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from pipeline import load_task
from tests.sweep.disks import Disk, Folder
from tests.sweep.runs import END, differences, end_orphans, forked, import_all, look, run_once
from tests.sweep.tasks import SETTINGS, write_task

# A component may be quicker than in the undisturbed run. Then its moment is tried again, earlier.
_TRIES = 5

# After every so manieth component a run goes on to its end. All others are killed in a later component.
_TO_THE_END = 3


@dataclasses.dataclass
class Sweep:
    """What came of killing a family's runs.

    Attributes:
      family: The family.
      moments: Runs that were killed, by component.
      power_cuts: Moments among them at which the power was cut as well.
      outrun: Runs whose component was done before the moment came; they were tried again.
      ends: Runs that went on to their end, and were compared with an undisturbed one.
      seconds: What all of it took.
      faults: What was wrong afterwards, a sentence each.
    """

    family: str
    moments: dict[str, int] = dataclasses.field(default_factory=dict)
    power_cuts: int = 0
    outrun: int = 0
    ends: int = 0
    seconds: float = 0.0
    faults: list[str] = dataclasses.field(default_factory=list)


class Sweeper:
    """Sweeps over the components of one family's task."""

    def __init__(self, family, power, place):
        task, assignments = write_task(family, place)
        self._config = load_task(str(task), assignments)
        self._place = Path(place)
        first = forked(lambda: run_once(self._config, self._place / "undisturbed"))
        import_all(first["modules"])
        # Once more, for the times without imports.
        self._undisturbed = forked(lambda: run_once(self._config, self._place / "undisturbed again"))
        self._disk = (Disk if power else Folder)(place)
        self._cuts = itertools.cycle([power, False])
        self.found = Sweep(family)
        self._compare(first)

    def sweep(self, moments):
        """Kills at least so many runs, in all components."""
        seconds = self._undisturbed["seconds"]
        each = -(-moments // len(seconds))
        began = time.monotonic()
        for number, (component, whole) in enumerate(seconds.items()):
            killed = self._kill(component, 0.0)
            self._disk.save()
            for share in range(1, each):
                killed += self._kill_in_time(component, whole * share / each)
            self.found.moments[component] = killed
            if number % _TO_THE_END == 0 or component == END:
                self._disk.save()
                self._compare(forked(lambda: run_once(self._config, self._disk.root)))
                self.found.ends += 1
                self._disk.restore()
            self.found.seconds = round(time.monotonic() - began)
            print(f"{self.found.family} {component}: killed {killed} times", flush=True)
        return self.found

    def close(self):
        """Unmounts the disk."""
        self._disk.close()

    def _kill_in_time(self, component, after):
        for _ in range(_TRIES):
            if self._kill(component, after):
                return 1
            self.found.outrun += 1
            if component != END:
                self._disk.restore()
            after *= 0.7
        return 0

    def _kill(self, component, after):
        """Kills a run; returns whether it was still in the component."""
        outrun = self._place / "outrun"
        outrun.unlink(missing_ok=True)
        ended = forked(lambda: run_once(self._config, self._disk.root, component, after, outrun))
        self.found.faults += [f"killed in {component}, it left {left}" for left in end_orphans(self._disk.root)]
        if ended or outrun.exists():
            return False
        if next(self._cuts):
            self._disk.cut()
            self.found.power_cuts += 1
        with contextlib.suppress(LookupError):  # killed before it was noted
            faults = look(self._disk.root, self._config.task, self._undisturbed)
            self.found.faults += [f"killed in {component} after {after:.2f} s: {fault}" for fault in faults]
        return True

    def _compare(self, ended):
        self.found.faults += differences(self._undisturbed["metrics"], ended["metrics"])
        if ended["weights"] != self._undisturbed["weights"]:
            self.found.faults.append("the weights are not those of an undisturbed run")


def main():
    """Sweeps over the families that are named, and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--moments", type=int, default=60, help="moments of every family, at least")
    parser.add_argument(
        "--power", action="store_true", help="cut the power at every second moment; needs the superuser"
    )
    arguments = parser.parse_args()
    faults = 0
    for family in arguments.families:
        with tempfile.TemporaryDirectory() as place:
            sweeper = Sweeper(family, arguments.power, place)
            try:
                found = sweeper.sweep(arguments.moments)
            finally:
                print(json.dumps(dataclasses.asdict(sweeper.found)), flush=True)
                sweeper.close()
            faults += len(found.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
