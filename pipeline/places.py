"""Where a pipeline keeps things."""

import dataclasses
import os
import shutil
import sys

from serving.contract.layout import ModelFolder

DEFAULT_ROOT = "runs"

DEFAULT_TASK = "sums"

DEFAULT_TEXT_TASK = "text"


def find_server() -> tuple[str, ...]:
    """Returns the model server that `charseq serve` would start here: a candidate is tried out in what will serve it."""
    tensorflow_serving = shutil.which("tensorflow_model_server")
    return (tensorflow_serving,) if tensorflow_serving else (sys.executable, "-m", "serving")


def _absolute(folder: str) -> str:
    return folder if "://" in folder else os.path.abspath(folder)


@dataclasses.dataclass(frozen=True)
class Places:
    """Folders and programs of this machine that a pipeline uses.

    Attributes:
      root: Folder of artifacts, ML Metadata, checkpoints and reports.
      serving_dir: Folder that the model server reads: <model>/<version>/saved_model.pb; gs:// too. Empty: `serving` in the
        root.
      server_command: The model server's program with its first arguments, for InfraValidator.
    """

    root: str = DEFAULT_ROOT
    serving_dir: str = ""
    server_command: tuple[str, ...] = dataclasses.field(default_factory=find_server)

    def __post_init__(self) -> None:
        # Artifacts' addresses are recorded in ML Metadata and must hold from any folder.
        root = _absolute(self.root)
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "serving_dir", _absolute(self.serving_dir or os.path.join(root, "serving")))

    @property
    def metadata_path(self) -> str:
        """The ML Metadata database of the local runner."""
        return os.path.join(self.root, "metadata.sqlite")

    def artifacts(self, task: str) -> str:
        """Folder of a task's artifacts."""
        return os.path.join(self.root, "artifacts", task)

    def checkpoints(self, task: str) -> str:
        """Folder of the checkpoints of a task's trainings that are not over."""
        return os.path.join(self.root, "checkpoints", task)

    def model_dir(self, task: str) -> str:
        """Folder of a task's pushed versions."""
        return ModelFolder(self.serving_dir, task).path

    def report_path(self, task: str, run_id: str) -> str:
        """The report of a run."""
        return os.path.join(self.root, "reports", task, f"{run_id}.html")
