"""Starts the real server process for a test."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    port: int
    log: Path
    rest_port: int = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"

    def resident_mib(self) -> float:
        return self._memory_mib("VmRSS")

    def peak_mib(self) -> float:
        return self._memory_mib("VmHWM")

    def _memory_mib(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{name}:")[1].split()[0]) / 1024

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)


def run_server(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs a server that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "serving", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def running_server(folder: Path, *arguments: str) -> Iterator[RunningServer]:
    """Starts a server on a free port, waits until it is ready, and ends it.

    Args:
      folder: Where its ready file and log go.
      arguments: Its flags, without the port.
    """
    ready, log = folder / "ready.json", folder / "server.log"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "serving", "--port=0", f"--ready_file={ready}", "-v", *arguments]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 300
        while not ready.exists():
            assert process.poll() is None, f"the server ended with {process.returncode}: {log.read_text()}"
            assert time.monotonic() < deadline, f"the server was not ready within 300 s: {log.read_text()}"
            time.sleep(0.02)
        ports = json.loads(ready.read_text())
        yield RunningServer(process, ports["grpc_port"], log, ports["rest_api_port"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
