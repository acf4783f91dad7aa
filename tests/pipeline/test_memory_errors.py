"""A process that gets no more memory: a line, whoever notices it."""

import subprocess

import pytest

from pipeline.local.runner import ComponentFailedError
from pipeline.memory_errors import OutOfMemoryError, is_out_of_memory
from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.tiny import write_tiny_task


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("malloc of size 1408 failed [while running 'Write']"), True),
        (RuntimeError("OOM when allocating tensor with shape[64,1000]"), True),
        (ImportError("No module named x"), False),
        (OSError(28, "No space left on device"), False),
        (None, False),
    ],
)
def test_it_is_known_by_any_of_its_words(error, out):
    assert is_out_of_memory(error) == out
    wrapped = ValueError("cannot train")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped) == out


def test_a_component_says_why_it_failed():
    assert "too little memory" in str(ComponentFailedError("Trainer", OutOfMemoryError()))


@pytest.mark.e2e
def test_a_limit_that_is_too_low_is_a_line(tmp_path):
    command = f"ulimit -v 1500000; exec '{CHARSEQ}' run {write_tiny_task(tmp_path)} --root {tmp_path}/root"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(
        "Error: the machine, or a limit of this process, has too little memory"
    )
