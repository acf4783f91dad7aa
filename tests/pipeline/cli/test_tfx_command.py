"""TFX's own command runs the same pipeline."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

TFX = str(Path(sys.executable).with_name("tfx"))
RUNNER = str(Path(__file__).parents[3] / "pipeline" / "local_runner.py")


# Trains for an epoch, where the product's own file trains until it is good.
SMALL_TASK = """
family = "sums"
[data]
largest = 9
count   = 81
[train]
epochs   = 1
compiled = false
[gate]
exact_match = 0.0
"""


@pytest.mark.parametrize("own_file", [pytest.param(False, marks=pytest.mark.slow), True])
def test_tfx_creates_and_runs_the_pipeline(charseq_here, tmp_path, own_file):
    runner, name = RUNNER, "sums"
    if own_file:
        runner, name = str(tmp_path / "small_runner.py"), "small"
        assert charseq_here("new", "small", "--family", "sums", "--runner", cwd=tmp_path).status == 0
        (tmp_path / "small.toml").write_text(SMALL_TASK)
    environment = os.environ | {"HOME": str(tmp_path)}

    def tfx(*arguments):
        return subprocess.run(
            [TFX, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )

    created = tfx("pipeline", "create", "--engine=local", f"--pipeline_path={runner}")
    assert f'Pipeline "{name}" created successfully' in created.stdout
    tfx("run", "create", "--engine=local", f"--pipeline_name={name}")
    (version,) = (name for name in os.listdir(tmp_path / "runs" / "serving" / name) if name.isdecimal())
    assert (tmp_path / "runs" / "serving" / name / version / "saved_model.pb").exists()
