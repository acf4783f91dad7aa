"""ExampleGen and Transform on Flink with more and more task managers, beside the local runner: seconds, and the same bytes."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline

from benchmarks.measuring.figures import Figure
from pipeline.config.overrides import override
from pipeline.config.settings import Config
from pipeline.config.task_files import load_task
from pipeline.create_pipeline import create_data_components
from pipeline.flink.cluster import SessionCluster
from pipeline.flink.jar import FlinkError
from pipeline.local.runner import LocalRunner

_LOG = logging.getLogger("charseq.bench")

# Enough different sums of two terms for any count that is measured.
_LARGEST = 9_999_999


def measure(count: int, corpus: str, task_managers: Sequence[int]) -> list[Figure]:
    """Measures seconds of both components, for sums and for a text.

    Args:
      count: Sums.
      corpus: Text, as `data.corpus` names it; none if it is empty.
      task_managers: Numbers of task managers to measure with.

    Raises:
      FlinkError: Flink cannot be started, or runs of the same data left other bytes.
    """
    configs = {f"{count:,} sums": load_task("sums", [f"data.count={count}", f"data.largest={_LARGEST}"])}
    if corpus:
        # Shards small enough that there are some for every task manager.
        settings = [f"data.corpus={corpus}", f"data.characters_per_shard={1 << 16}"]
        configs[f"text {corpus}"] = load_task("text", settings)
    figures: list[Figure] = []
    digests: dict[str, set[str]] = {name: set() for name in configs}
    local: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="charseq-bench-") as folder:
        for name, config in configs.items():
            _LOG.info(f"{name}, local")
            local[name], digest = run_data_components(config, os.path.join(folder, "local", name))
            digests[name].add(digest)
            figures += [Figure(f"{name}, {component}, local", s, "s", [s]) for component, s in local[name].items()]
        for managers in task_managers:
            _LOG.info(f"a cluster of {managers}")
            with SessionCluster(os.path.join(folder, f"cluster-{managers}"), managers) as cluster:
                for name, config in configs.items():
                    _LOG.info(f"{name}, {managers} task managers")
                    there = override(config, cluster.settings())
                    seconds, digest = run_data_components(there, os.path.join(folder, f"flink-{managers}", name))
                    digests[name].add(digest)
                    for component, s in seconds.items():
                        note = f"{s / local[name][component]:.1f} times the local runner's"
                        figures.append(Figure(f"{name}, {component}, {managers} task managers", s, "s", [s], note))
    for name, found in digests.items():
        if len(found) > 1:
            raise FlinkError(f"{name}: the runs have not all written the same bytes")
    return figures


def run_data_components(config: Config, root: str) -> tuple[dict[str, float], str]:
    """Runs a task's ExampleGen and Transform.

    Args:
      config: The task.
      root: Folder of artifacts and metadata, which must not be there yet.

    Returns:
      Seconds of both, and `digest` of what they left.
    """
    example_gen, schema_gen, transform = create_data_components(config)
    os.makedirs(root)
    pipeline = Pipeline(
        pipeline_name=config.task,
        pipeline_root=os.path.join(root, "artifacts"),
        components=[example_gen, schema_gen, transform],
        metadata_connection_config=sqlite_metadata_connection_config(os.path.join(root, "metadata.sqlite")),
        beam_pipeline_args=config.beam.pipeline_args,
    )
    runner = LocalRunner()
    runner.run(pipeline)
    seconds = {"ExampleGen": runner.seconds[example_gen.id], "Transform": runner.seconds[transform.id]}
    return seconds, digest(root)


def digest(root: str) -> str:
    """Returns a hash of all examples, transformed examples and the vocabulary under a root, with their files' names."""
    found = hashlib.sha256()
    for path in sorted(Path(root, "artifacts").rglob("*")):
        if path.is_file() and (path.parent.name.startswith("Split-") or path.parent.name == "assets"):
            found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
