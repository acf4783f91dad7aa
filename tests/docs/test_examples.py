"""Every example makes its data and is a task that can be run; the notebook runs from its first cell to its last."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config.task_files import load_task
from pipeline.families import find_family
from tests.docs.pages import ROOT

EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.e2e

TASKS = sorted(EXAMPLES.glob("*/*.toml"))
TASKS = [path for path in TASKS if path.name != "pyproject.toml"]

# A narrow model, one epoch; the figures are for people who wait longer.
SMALL = {
    "pairs": ("train.members=1", "train.epochs=1", "train.units=16", "gate.beat_floor=false", "gate.exact_match=0"),
    "text": ("train.epochs=1", "train.units=32", "gate.beat_floor=false"),
    "series": ("train.epochs=1", "gate.beat_floor=false"),
}


@pytest.fixture
def example(request, tmp_path):
    """A copy of the folder of an example's task file, with its data."""
    folder = shutil.copytree(request.param.parent, tmp_path / request.param.parent.name)
    if (folder / "make_data.py").exists():
        subprocess.run([sys.executable, "make_data.py"], cwd=folder, check=True)
    return folder / request.param.name


def _id(path):
    return path.parent.name


@pytest.mark.parametrize("example", TASKS, ids=_id, indirect=True)
def test_the_task_of_an_example_finds_its_data(example):
    task = load_task(str(example))
    settled = find_family(task.family).settle(task)
    assert settled.task == task.task
    assert (example.parent / "README.md").read_text(encoding="utf-8").startswith("# ")


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("example", TASKS, ids=_id, indirect=True)
def test_an_example_runs_to_a_pushed_model(example):
    settings = [f"--set={setting}" for setting in SMALL[load_task(str(example)).family]]
    charseq = str(Path(sys.executable).with_name("charseq"))
    done = subprocess.run(
        [charseq, "run", example.name, "--json", *settings],
        cwd=example.parent,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pushed_version"]


@pytest.mark.slow
@pytest.mark.e2e
def test_the_notebook_runs_cell_by_cell(tmp_path):
    shutil.copytree(EXAMPLES / "product-names", tmp_path / "product-names")
    folder = shutil.copytree(EXAMPLES / "notebook", tmp_path / "notebook")
    notebook = json.loads((folder / "first-model.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    program = "\n".join([*cells, "print('pushed', result.pushed_version, best.outputs['texts'].shape)"])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "blessed: True []" in done.stdout or "blessed: True ()" in done.stdout
    assert done.stdout.rstrip().endswith("(2, 3)")
