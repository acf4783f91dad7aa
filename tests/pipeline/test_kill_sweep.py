"""Runs that are killed, or lose their power, at any moment: the next one ends with what an undisturbed run gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.families import list_families
from tests.sweep.tasks import SETTINGS

REPO = Path(__file__).parents[2]


def test_the_sweep_has_a_task_of_every_family():
    assert set(SETTINGS) >= set(list_families())


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("family", SETTINGS)
def test_a_run_that_ends_at_any_moment(family):
    command = [sys.executable, "-m", "tests.sweep", "--families", family, "--moments", "24"]
    if os.geteuid() == 0 and os.path.exists("/dev/loop-control"):  # to mount a disk needs the superuser
        command.append("--power")
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert sum(found["moments"].values()) >= 20
    assert ended.returncode == 0
