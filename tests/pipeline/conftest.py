"""Running the real commands."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main

CHARSEQ = str(Path(sys.executable).with_name("charseq"))

# Few examples; to compile takes longer than so few steps.
_SMALL = ("--set", "data.count=3000", "--set", "train.compiled=false")

# Enough to learn something, in seconds; the gate is set to what that gives.
QUICK = (*_SMALL, "--set", "train.epochs=4", "--set", "gate.exact_match=0.001")


class Result:
    """A command that has ended."""

    def __init__(self, completed):
        self.status = completed.returncode
        self.stdout = completed.stdout
        self.stderr = completed.stderr

    @property
    def json(self):
        """The object on standard output, which must have nothing else."""
        (line,) = self.stdout.splitlines()
        return json.loads(line)


@contextlib.contextmanager
def serving(folder):
    """`charseq serve` of a folder, on free ports: its gRPC address. It must end well when it is told to end."""
    process = subprocess.Popen(
        [CHARSEQ, "serve", "--serving-dir", folder, "--port", "0", "--rest-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if found := re.search(r"Serving gRPC at (\S+:\d+)", line):
            yield found[1]
            break
    process.terminate()
    assert process.wait(300) == 0


@pytest.fixture(scope="session")
def charseq():
    """Runs `charseq` with arguments, which may be bytes."""

    def run(*arguments, cwd=None, timeout=1_800):
        command = [CHARSEQ, *map(os.fspath, arguments)]
        return Result(subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout, check=False))

    return run


@pytest.fixture
def charseq_here(monkeypatch):
    """Runs `charseq` with arguments in this process, which has imported what each process would import again."""

    def run(*arguments, cwd=None):
        if cwd is not None:
            monkeypatch.chdir(cwd)
        done = CliRunner().invoke(main, [os.fspath(argument) for argument in arguments])
        return Result(subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr))

    return run


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """The root of the runs, with a space in its name, which looks like a pattern too."""
    return tmp_path_factory.mktemp("runs of") / "a root[1]"


@pytest.fixture(scope="session")
def first_run(charseq, place):
    """A blessed run of the default task into an empty root."""
    result = charseq("run", "sums", "--json", "--root", place, *QUICK)
    assert result.status == 0, result.stderr
    return result


@pytest.fixture(scope="session")
def refused_run(charseq, place, first_run):
    """A run whose model the gate refuses, in the same root, on the same examples; a version is served already."""
    settings = (*_SMALL, "--set", "train.epochs=1", "--set", "run.cache=true")
    result = charseq("run", "sums", "--json", "--root", place, *settings)
    assert result.status == 1, result.stderr
    return result
