"""The rollout of a pushed version, by the serving side's own program."""

import subprocess
import sys

from components.pusher.settings import RolloutSettings
from serving.contract.canary_result import CanaryResult
from serving.contract.layout import ModelFolder


class RolloutError(Exception):
    """A version could not be tried, for example because no server answers."""

    kind = "rollout-not-tried"
    meaning = "A pushed version could not be tried as a canary."
    remedy = "See that the server of `rollout.server` runs and reads the serving folder; then use `charseq canary`."


def hold(settings: RolloutSettings, model_dir: str) -> None:
    """Has the server stay with what it serves, whatever is pushed.

    Raises:
      RolloutError: it does not answer.
    """
    _run(settings, model_dir, ["--hold"])


def roll_out(settings: RolloutSettings, model_dir: str, version: int) -> CanaryResult:
    """Tries a version as the server's canary; it is stable afterwards, or is left.

    Returns:
      What became of it.

    Raises:
      RolloutError: it could not be tried.
    """
    limits = [f"--max_slowdown={settings.max_slowdown}", f"--min_agreement={settings.min_agreement}"]
    recorded = [f"--recorded={settings.recorded}"] if settings.recorded else []
    return CanaryResult.from_json(_run(settings, model_dir, [str(version), *limits, *recorded]))


def _run(settings: RolloutSettings, model_dir: str, arguments: list[str]) -> str:
    """Runs the program; returns its last line."""
    folder = ModelFolder.at(model_dir)
    command = [
        sys.executable,
        "-m",
        "serving.rollout.canary",
        folder.serving_dir,
        folder.name,
        f"--server={settings.server}",
        *arguments,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        raise RolloutError(f"rollout.server {settings.server}: {ended.stderr.strip()[-1000:]}")
    return ended.stdout.splitlines()[-1]
