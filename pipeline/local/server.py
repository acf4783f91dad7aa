"""A built-in model server of our own for a while: for the demo and the benchmarks."""

import contextlib
import json
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from serving.launch import server_command

_START_SECONDS = 60.0


@contextlib.contextmanager
def local_server(serving_dir: str) -> Iterator[str]:
    """Serves a folder on a free port of this machine: its address, HOST:PORT."""
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder, "ready.json")
        command = server_command(serving_dir, port=0, ready_file=ready_file, executable="builtin")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                yield f"127.0.0.1:{_wait_for_port(server, command, ready_file)}"
            finally:
                server.terminate()


def _wait_for_port(server: "subprocess.Popen[bytes]", command: list[str], ready_file: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while not ready_file.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the model server did not start; run it yourself to see why: {shlex.join(command)}")
        time.sleep(0.05)
    return int(json.loads(ready_file.read_text())["grpc_port"])
