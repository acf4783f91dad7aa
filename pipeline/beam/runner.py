"""Beam's local runner with worker processes, also where Python lies in a folder with a space in its name."""

import shlex
import sys

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment


class WorkerProcessRunner(FnApiRunner):
    """FnApiRunner as `--direct_running_mode=multi_processing` makes it, with our worker and Python's path quoted for the shell.

    Beam 2.73 does not quote it, and waits for ever for workers that could not start.
    """

    def __init__(self) -> None:
        command = f"{shlex.quote(sys.executable)} -m pipeline.beam.worker"
        super().__init__(default_environment=SubprocessSDKEnvironment.from_command_string(command))
