"""A family from outside the product, registered by one line, goes from `charseq run` to an answer over gRPC."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charseq_client import Client
from tests.pipeline.conftest import CHARSEQ, serving

pytestmark = pytest.mark.e2e

_COMMANDS = """
import sys
from pipeline.cli import main
for line in sys.argv[1:]:
    main(line.split(), standalone_mode=False)
"""

OUTSIDE = Path(__file__).parent / "outside" / "shouting"


@pytest.fixture
def installed(tmp_path):
    """The family as pip installs it, in a folder that Python is told of: the environment of a command."""
    site = tmp_path / "site"
    shutil.copytree(OUTSIDE, site / "shouting", ignore=shutil.ignore_patterns("__pycache__"))
    metadata = site / "shouting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[charseq.families]\nshouting = shouting.family:FAMILY\n")
    return {**os.environ, "PYTHONPATH": str(site)}


def test_a_family_from_outside_runs_from_the_command_to_an_answer(installed, tmp_path):
    def call(*command):
        done = subprocess.run(command, cwd=tmp_path, env=installed, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # The short commands in one process, which imports what they need once.
    said = call(sys.executable, "-c", _COMMANDS, "new loud --family shouting", "settings shouting")
    assert "data.letters" in said
    run = json.loads(call(CHARSEQ, "run", "loud.toml", "--json", "--set", "train.epochs=30"))
    assert (run["task"], run["blessed"]) == ("loud", True)
    assert run["metrics"]["exact_match"] > 0.5
    assert "loud" in call(CHARSEQ, "runs")
    with serving(run["serving_dir"]) as address, Client(address) as client:
        answers = client.predict({"text": ["abba", "fade"]}, model="loud").outputs["text"]
    assert [answer.decode() for answer in answers] == ["ABBA", "FADE"]
