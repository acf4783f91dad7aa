"""The pipeline for TFX's own command, on this machine.

tfx pipeline create --engine=local --pipeline_path=pipeline/local_runner.py
tfx run create --engine=local --pipeline_name=sums
"""

import os

from pipeline.config.task_files import load_task
from pipeline.create_pipeline import create_pipeline
from pipeline.families import find_family
from pipeline.local.runner import LocalRunner, run_notes
from pipeline.places import DEFAULT_TASK, Places


def run_with_tfx(task: str, beside: str = "") -> None:
    """Runs a task where TFX's own command asks for its pipeline: the body of a runner file.

    Args:
      task: Name of a built-in task, or path of a task file.
      beside: The runner file, `__file__`, if a relative path of the task file begins at its folder.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(beside)), task) if beside else task
    config = load_task(path)
    config = find_family(config.family).settle(config)
    LocalRunner(notes=run_notes(config)).run(create_pipeline(config, Places()))


if __name__ == "__main__":
    run_with_tfx(DEFAULT_TASK)
