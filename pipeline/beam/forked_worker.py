"""Beam workers as forks of a process that has imported everything and done nothing: importing takes longer than most jobs."""

import functools
import importlib
import multiprocessing
import multiprocessing.context
import multiprocessing.process
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver

_WORKER = "pipeline.beam.worker"
_END_SECONDS = 10.0


@functools.cache
def prepare_to_fork() -> multiprocessing.context.ForkServerContext:
    """Has a process begin to import what a worker needs, in the background; a second call does nothing.

    Returns:
      The context whose processes are its forks.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_WORKER])
    forkserver.ensure_running()
    return context


def start_worker(arguments: Sequence[str], environment: Mapping[str, str]) -> multiprocessing.process.BaseProcess:
    """Starts a worker.

    Args:
      arguments: Those of `pipeline.beam.worker`.
      environment: Environment variables that it gets beside those of this process.
    """
    process = prepare_to_fork().Process(
        target=_work, args=(list(arguments), {**os.environ, **environment}), daemon=True
    )
    process.start()
    return process


def end_worker(process: multiprocessing.process.BaseProcess) -> None:
    """Waits for a worker that is told to end, a while; then ends it."""
    process.join(_END_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()


def _work(arguments: list[str], environment: dict[str, str]) -> None:
    """Is a worker, in a process of its own."""
    os.environ |= environment
    # Standard output is for what the command that runs all this has to say.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    importlib.import_module(_WORKER).main(arguments)
