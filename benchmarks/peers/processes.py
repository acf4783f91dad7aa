"""Peers that have an environment of their own (`make peers`), measured by a script that its interpreter runs."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

_ENVIRONMENTS = Path(__file__).parents[2] / ".venv-peers"


def peer_python(subject: str) -> Path | None:
    """Returns the interpreter of a subject's peers, or None where `make peers` has not made it."""
    python = _ENVIRONMENTS / subject / "bin" / "python"
    return python if python.exists() else None


def peer_version(python: Path, package: str) -> str:
    """Returns the version of a package in a peer's environment."""
    code = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def peer_process(python: Path, script: str, settings: dict[str, Any]) -> Iterator[Callable[[], float]]:
    """Starts a peer's script and yields what does its work once and returns how much it was.

    Args:
      python: Interpreter of the peer's environment.
      script: File beside this one. It gets the settings as JSON in its first argument; for every line that it reads it does its
        work and answers with a line that says how much it was.
      settings: What to do.
    """
    command = [str(python), str(Path(__file__).parent / script), json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        requests, answers = cast(TextIO, process.stdin), cast(TextIO, process.stdout)

        def work() -> float:
            requests.write("\n")
            requests.flush()
            if answer := answers.readline():
                return float(answer)
            raise RuntimeError(f"{script} ended with status {process.wait()}; see what it wrote above")

        yield work
        requests.close()
