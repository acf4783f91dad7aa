"""TFX's own command runs the same pipeline."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

TFX = str(Path(sys.executable).with_name("tfx"))
RUNNER = str(Path(__file__).parents[3] / "pipeline" / "local_runner.py")


def test_tfx_creates_and_runs_the_pipeline(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path)}

    def tfx(*arguments):
        return subprocess.run(
            [TFX, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )

    created = tfx("pipeline", "create", "--engine=local", f"--pipeline_path={RUNNER}")
    assert 'Pipeline "sums" created successfully' in created.stdout
    tfx("run", "create", "--engine=local", "--pipeline_name=sums")
    (version,) = (name for name in os.listdir(tmp_path / "runs" / "serving" / "sums") if name.isdecimal())
    assert (tmp_path / "runs" / "serving" / "sums" / version / "saved_model.pb").exists()
