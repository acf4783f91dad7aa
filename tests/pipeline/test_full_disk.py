"""A disk that gets full at any moment of a run: a line that names it, nothing broken, and the next run goes on."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.file_errors import is_disk_full
from pipeline.local import run as local_run
from pipeline.local.reserve import Reserve
from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.tiny import write_tiny_task

REPO = Path(__file__).parents[2]

COMPONENTS = [
    "Baseline",
    "PairsExampleGen",
    "StatisticsGen",
    "Transform",
    "Trainer",
    "Evaluator",
    "InfraValidator",
    "Pusher",
]

# Fills the disk when a component begins, in one run after the other: each takes from the cache what the ones before have done.
_RUNS = """
import contextlib, json, os, sys
from pipeline import open_runs, run
from pipeline.run_observer import RunObserver

task, root, ballast = sys.argv[1:4]


class Filler(RunObserver):
    def __init__(self, component):
        self.component = component

    def on_start(self, component):
        if component == self.component:
            with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))


for component in [*sys.argv[4:], ""]:
    result = run(task, ["run.cache=true"], root=root, observer=Filler(component))
    with contextlib.suppress(FileNotFoundError):
        os.remove(ballast)
    record = open_runs(root).find("")
    found = {"component": component, "reasons": result.reasons, "result": record.result, "report": result.report}
    states = {name: part.state for name, part in record.components.items()}
    print(json.dumps(found | {"states": states, "pushed": result.pushed_version}), flush=True)
"""


@pytest.fixture
def disk(tmp_path):
    """A disk of 80 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "80m"):
        yield folder


@contextlib.contextmanager
def mounted(folder, size):
    """Mounts a small disk; skips the test where that is not allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("to mount a small disk needs the superuser")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.e2e
@pytest.mark.timeout(900)
@pytest.mark.slow
def test_a_disk_that_gets_full_in_any_component(disk, tmp_path):
    root = disk / "root"
    command = [
        sys.executable,
        "-c",
        _RUNS,
        str(write_tiny_task(tmp_path)),
        str(root),
        str(disk / "ballast"),
        *COMPONENTS,
    ]
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=900)
    runs = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, ended.stderr[-3000:]
    *failed, last = runs
    assert [run["component"] for run in failed] == COMPONENTS
    for run in failed:
        (reason,) = run["reasons"]
        assert reason.startswith(f"{run['component']} failed: the disk of {root}"), reason
        assert "a run needs at least" in reason
        assert "\n" not in reason
        assert run["result"] == "failed"
        # There may have been no space to note even that the component began.
        states = run["states"]
        assert states.pop(run["component"], "failed") == "failed"
        assert set(states.values()) <= {"done", "cached"}
        assert reason.split(";")[0].split("failed: ")[1][:20] in Path(run["report"]).read_text()
    assert last["result"] == "blessed"
    assert sorted(name for name in os.listdir(root / "serving" / "tiny") if name.isdecimal()) == [str(last["pushed"])]
    assert last["states"]["Transform"] == "cached"
    assert "HDF5" not in ended.stderr


@pytest.mark.e2e
def test_a_disk_that_is_too_small_is_refused_at_once(tmp_path):
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "disk", "3m"):
        root = tmp_path / "disk" / "root"
        command = [CHARSEQ, "run", str(write_tiny_task(tmp_path)), "--root", str(root)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        (line,) = ended.stderr.splitlines()
        assert line.startswith(
            f"Error: the disk of {root}, or your quota of it, is full: 3 MB of 3 MB are free, and a run needs"
        )
        assert not root.exists()


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(122, "Disk quota exceeded"), True),
        (RuntimeError("/x; No space left on device"), True),
        (RuntimeError("INTERNAL: Error when executing query: database or disk is full"), True),
        (OSError(13, "Permission denied"), False),
        (RuntimeError("out of memory"), False),
        (None, False),
    ],
)
def test_a_full_disk_is_known_by_any_of_its_words(error, full):
    assert is_disk_full(error) == full
    wrapped = ValueError("cannot save")
    wrapped.__cause__ = error
    assert is_disk_full(wrapped) == full


def test_the_space_kept_back_is_given_back_once(tmp_path):
    reserve = Reserve(str(tmp_path), [str(tmp_path)])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 1 << 20
    for _ in range(2):
        reserve.release()
    assert os.listdir(tmp_path) == []


def test_a_report_that_cannot_be_written_costs_no_run(monkeypatch, caplog):
    def fail(record, places):
        raise OSError(28, "No space left on device")

    class Record:
        number = 7

    monkeypatch.setattr(local_run, "write_report", fail)
    assert local_run._report(Record(), None) == ""
    assert "charseq report 7 writes it later" in caplog.text
