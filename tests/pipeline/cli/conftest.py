"""What the tests of `charseq predict` ask, and of which models."""

import csv
import random

import pytest
from click.testing import CliRunner

from pipeline.cli.predict import predict
from tests.serving.processes import running_server


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A serving folder with an adder, a writer, and two versions that say which one they are."""
    from tests.serving.saved_models import save_adder, save_alternatives, save_shout, save_writer

    folder = tmp_path_factory.mktemp("models")
    save_adder(folder / "sums" / "1")
    save_writer(folder / "text" / "1")
    save_alternatives(folder / "many" / "1")
    save_shout(folder / "shout" / "1", 1)
    save_shout(folder / "shout" / "2", 2)
    return folder


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("server"), f"--serving_dir={models}") as running:
        yield running.target


@pytest.fixture
def ask(monkeypatch):
    """Runs `charseq predict` in this process, where TensorFlow's libraries and Beam are loaded once."""

    def run(*arguments, cwd=None):
        if cwd:
            monkeypatch.chdir(cwd)
        return CliRunner().invoke(predict, [*map(str, arguments)])

    return run


@pytest.fixture(scope="session")
def sums(tmp_path_factory):
    """A CSV of 3,000 sums, with a column beside them that is hard to quote."""
    path = tmp_path_factory.mktemp("sums") / "sums.csv"
    chance = random.Random(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["note", "raw"])
        for number in range(3_000):
            writer.writerow([f'{number}, "é"\nsecond line', f"{chance.randint(0, 99)}+{chance.randint(0, 99)}"])
    return path
