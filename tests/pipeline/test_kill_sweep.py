"""Runs that are killed at any moment: the next one ends with what an undisturbed run gives."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("task", ["sums", "pairs", "text", "series"])
def test_killed_in_every_component(task):
    command = [sys.executable, "-m", "tests.kill_sweep", "--tasks", task, "--each", "2"]
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    found = json.loads(ended.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["moments"] >= 15
    assert ended.returncode == 0
