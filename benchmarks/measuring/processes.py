"""Measurements in a process of their own: what it prints, and the memory of it and all that it starts."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import psutil

# Between two looks at the memory: the kernel takes some 20 ms for a look at a large process.
_INTERVAL_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Measured:
    """A process that has ended well.

    Attributes:
      found: What its last line of standard output said, as JSON.
      seconds: From its start to its end.
      peak_mb: Most memory of it and its children together at any look, in MB, what they share counted once.
      cpu_seconds: Processor time of it and its children together, as far as it was looked at.
    """

    found: dict[str, Any]
    seconds: float
    peak_mb: float
    cpu_seconds: float


def run_measured(arguments: Sequence[str], good: Sequence[int] = (0,)) -> Measured:
    """Runs Python with arguments.

    Args:
      arguments: Those of Python.
      good: The exit statuses of a process that has done its work.

    Raises:
      RuntimeError: It failed; the message ends with what it wrote last.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        with subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=errors) as process:
            peak = 0
            cpu_seconds: dict[tuple[int, float], float] = {}
            while process.poll() is None:
                memory, found = _look(process.pid)
                peak = max(peak, memory)
                cpu_seconds |= found
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_INTERVAL_SECONDS)
            seconds = time.perf_counter() - begin
        if process.returncode not in good:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(arguments[:2])} ended with {process.returncode}:\n{errors.read()[-2_000:]}")
        output.seek(0)
        found = json.loads(output.read().splitlines()[-1])
        return Measured(found, seconds, peak / 1e6, sum(cpu_seconds.values()))


def _look(pid: int) -> tuple[int, dict[tuple[int, float], float]]:
    """Looks at a process and those that it has started.

    Returns:
      Their proportional set size, in bytes, and the processor seconds of each, by its id and when it was started.
    """
    memory, seconds = 0, {}
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                memory += process.memory_full_info().pss
                times = process.cpu_times()
                seconds[process.pid, process.create_time()] = times.user + times.system
    return memory, seconds
