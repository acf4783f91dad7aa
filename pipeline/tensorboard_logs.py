"""TensorBoard over the logs of several runs."""

import os
import tempfile
from collections.abc import Iterable

from components.names import TRAINER
from pipeline.lineage import RunRecord


def log_folders(runs: Iterable[RunRecord], most: int) -> dict[str, str]:
    """Returns the folders of logs by the name that TensorBoard shows, such as `3 sums`.

    Args:
      runs: The newest first. One whose Trainer was not done has none, and one that took an earlier training's has that one's.
      most: How many, the newest.
    """
    folders: dict[str, str] = {}
    for run in runs:
        trainer = run.done.get(TRAINER)
        folder = os.path.join(trainer.outputs["model_run"].uri, "tensorboard") if trainer else ""
        if os.path.isdir(folder) and folder not in folders.values():
            folders[f"{run.number} {run.task}"] = folder
        if len(folders) == most:
            break
    return folders


def serve_logs(folders: dict[str, str], port: int) -> int:
    """Serves TensorBoard on this machine alone until it is told to end, and says at which address.

    Args:
      folders: As `log_folders` gives them.
      port: Its port, 0 for any that is free.

    Returns:
      The exit status: not 0 if the port is taken.
    """
    from tensorboard import default, program

    with tempfile.TemporaryDirectory(prefix="charseq-tensorboard-") as together:
        # Links, and not --logdir_spec, which splits paths at commas and colons.
        for name, folder in folders.items():
            os.symlink(folder, os.path.join(together, name), target_is_directory=True)
        board = program.TensorBoard(default.get_plugins())
        board.configure(["tensorboard", "--logdir", together, "--host", "127.0.0.1", "--port", str(port)])
        return int(board.main() or 0)
