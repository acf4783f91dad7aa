"""TensorFlow's libraries through ctypes, in a process of their own."""

import os
import subprocess
import sys

import pytest

from tests.serving.processes import ROOT

pytestmark = pytest.mark.e2e

_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


# `charseq serve` sets 3 for itself, and the server inherits it.
@pytest.mark.parametrize(("level", "speaks"), [(None, False), ("3", False), ("0", True)])
def test_libraries_load_silently_unless_asked(level: str | None, speaks: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != _VARIABLE}
    if level is not None:
        environment[_VARIABLE] = level
    code = "from serving.server.models.tensorflow_c_api import library; library()"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert bool(process.stderr) == speaks, process.stderr
