"""A run that can be killed at a moment, and what is looked at afterwards."""

import contextlib
import importlib
import json
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

from pipeline import open_runs
from pipeline.local.run import run_task
from pipeline.places import Places
from pipeline.run_observer import RunObserver

# What follows the last component: what was pushed is noted, and the report is written.
END = "the end"

# What runs import. The process that forks has it, so that no run spends more time on imports than on its components.
_IMPORTED = ("components", "pipeline", "keras", "matplotlib", "tensorflow", "tensorflow_", "tfx", "apache_beam", "h5py")


def work_done():
    """Returns the seconds of a processor that this process and its children have had.

    Unlike the time of day they tell how far a component is, however busy the machine is.
    """
    seconds = time.process_time()
    ticks = os.sysconf("SC_CLK_TCK")
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread, or the child, has ended
            for child in children.read_text().split():
                _, fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)
                seconds += sum(map(int, fields.split()[11:13])) / ticks
    return seconds


class Killer(RunObserver):
    """Ends the process when a component has worked for a while, at the latest when it is done; notes how much each works.

    Attributes:
      seconds: Seconds of a processor of each component, and of what follows the last.
    """

    def __init__(self, component="", after=0.0, outrun=None):
        """Makes one.

        Args:
          component: The component, or `END`; empty: the process is not ended.
          after: Seconds of a processor.
          outrun: A file that is made if the component is done before its moment comes.
        """
        self._component, self._after, self._outrun = component, after, outrun
        self._last, self._began = "", 0.0
        self.seconds = {}

    def on_plan(self, components):
        self._last = components[-1]

    def on_start(self, component):
        self._began = work_done()
        if component == self._component:
            self._end()

    def on_done(self, component, seconds, cached):
        self.seconds[component] = work_done() - self._began
        self._began = work_done()
        if component == self._component:
            Path(self._outrun).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if component == self._last and self._component == END:
            self._end()

    def on_end(self):
        """Hears that the run is over."""
        self.seconds[END] = work_done() - self._began

    def _end(self):
        if not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=self._kill_later, args=(self._began + self._after,), daemon=True).start()

    @staticmethod
    def _kill_later(moment):
        while work_done() < moment:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)


def forked(work):
    """Runs a function in a fork; returns what it returned, or None if the fork was killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        status = 1
        try:
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), 2)
            found = work()
            with os.fdopen(write, "w") as file:
                json.dump(found, file)
            status = 0
        except BaseException as error:
            os.write(write, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as file:
        content = file.read()
    os.waitpid(child, 0)
    found = json.loads(content) if content else None
    if found and "error" in found:
        raise RuntimeError(found["error"])
    return found


def run_once(config, root, component="", after=0.0, outrun=None):
    """Runs a task; returns what is to be the same whatever happened before."""
    killer = Killer(component, after, outrun)
    result = run_task(config, Places(str(root)), killer)
    killer.on_end()
    if result.bad_input or not result.pushed_version:
        raise RuntimeError(f"the run has failed: {result.reasons}")
    # A run that was killed just after its push has left a version to compare with.
    timed = ("train_seconds", "epochs")
    shown = {n: value for n, value in result.metrics.items() if n not in timed and not n.startswith("baseline_")}
    weights = weights_of(Path(result.serving_dir, config.task, str(result.pushed_version)))
    files = {name: count_files(uri) for name, uri in result.artifacts.items()}
    modules = [name for name in sys.modules if name.split(".")[0].startswith(_IMPORTED)]
    return {"metrics": shown, "seconds": killer.seconds, "weights": weights, "files": files, "modules": modules}


def import_all(modules):
    """Imports what a run has imported."""
    for name in modules:
        with contextlib.suppress(Exception):  # what is made as it is imported by another
            importlib.import_module(name)


def weights_of(version):
    """Returns the bytes of a version's variables, as text."""
    return "".join(path.read_bytes().hex() for path in sorted(version.glob("variables/variables.data*")))


def count_files(folder):
    """Returns how many files a folder has, and how many of them are empty."""
    sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
    return len(sizes), sizes.count(0)


def look(root, task, undisturbed):
    """Returns what is wrong in a root after a run was killed: in its records, and in what is served."""
    faults = []
    for record in open_runs(root):
        for name, part in record.done.items():
            for key, output in part.outputs.items():
                faults += _look_at(f"{name}.{key}", output.uri, undisturbed["files"])
    for version in Path(root, "serving", task).glob("[0-9]*"):
        if not (version / "saved_model.pb").stat().st_size or weights_of(version) != undisturbed["weights"]:
            faults.append(f"version {version.name} is not that of an undisturbed run")
    for report in Path(root, "reports").rglob("*.html"):
        if not report.read_text().rstrip().endswith("</html>"):
            faults.append(f"the report {report.name} is not whole")
    return faults


def _look_at(output, uri, undisturbed):
    if not Path(uri).is_dir():
        return [f"{output} is done, and its folder is not there"]
    unfinished = [path for path in Path(uri).rglob("*.part*") if path.is_file()]
    faults = [f"{output} is done, and {path} is unfinished" for path in unfinished]
    (files, empty), (least, most_empty) = count_files(uri), undisturbed[output]
    if files < least or empty > most_empty:
        faults.append(f"{output} is done with {files} files, {empty} of them empty; undisturbed {least}, {most_empty}")
    return faults


def differences(expected, metrics):
    """Returns where figures are not those of an undisturbed run. Beam adds them in another order each time."""
    return [
        f"{name} is {metrics.get(name)}, and {expected.get(name)} in an undisturbed run"
        for name in sorted({*expected, *metrics})
        if not math.isclose(metrics.get(name, math.inf), expected.get(name, -math.inf), rel_tol=1e-6)
    ]


def end_orphans(root):
    """Ends processes that a killed run has left; returns their commands."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or ()
        if any(str(root) in part for part in command):
            found.append(" ".join(command)[:200])
            process.kill()
    return found
