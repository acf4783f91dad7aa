"""The rollout of a pushed version, by the serving side's own program."""

import json
import os
import subprocess
import sys
from typing import Any

from components.pusher.settings import RolloutSettings


class RolloutError(Exception):
    """A version could not be tried, for example because no server answers."""


def hold(settings: RolloutSettings, model_dir: str) -> None:
    """Has the server stay with what it serves, whatever is pushed.

    Raises:
      RolloutError: it does not answer.
    """
    _run(settings, model_dir, ["--hold"])


def roll_out(settings: RolloutSettings, model_dir: str, version: int) -> dict[str, Any]:
    """Tries a version as the server's canary; it is stable afterwards, or is left.

    Returns:
      The fields of `serving.rollout.canary.CanaryResult`.

    Raises:
      RolloutError: it could not be tried.
    """
    limits = [f"--max_slowdown={settings.max_slowdown}", f"--min_agreement={settings.min_agreement}"]
    recorded = [f"--recorded={settings.recorded}"] if settings.recorded else []
    return _run(settings, model_dir, [str(version), *limits, *recorded])


def _run(settings: RolloutSettings, model_dir: str, arguments: list[str]) -> dict[str, Any]:
    serving_dir, model = os.path.split(model_dir.rstrip("/"))
    command = [
        sys.executable,
        "-m",
        "serving.rollout.canary",
        serving_dir,
        model,
        f"--server={settings.server}",
        *arguments,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        raise RolloutError(f"rollout.server {settings.server}: {ended.stderr.strip()[-1000:]}")
    return dict(json.loads(ended.stdout.splitlines()[-1]))
