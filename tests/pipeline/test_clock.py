"""The clock of the machine is set back an hour between two runs."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import open_runs
from pipeline.lineage import note_run, open_store
from tests.pipeline.tiny import write_tiny_task

REPO = Path(__file__).parents[2]

HOUR = 3600

# A run by a clock that is an hour ahead where the product asks for the time. gRPC must not be told: its deadlines are by the
# real clock.
_AHEAD = """
import dataclasses, datetime, json, sys, time, types


class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(hours=1)


from components.pusher import publish
from pipeline import run
from pipeline.local import runner

publish.time = types.SimpleNamespace(time=lambda: time.time() + 3600)
runner.datetime = types.SimpleNamespace(datetime=Ahead)
print(json.dumps(dataclasses.asdict(run(sys.argv[1], root=sys.argv[2]))))
"""


def put_ahead(root):
    """Has ML Metadata's times and those of files be an hour later: neither asks Python for the time."""
    with sqlite3.connect(root / "metadata.sqlite") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        tables.remove("Artifact")  # its times are in the cache's keys, from the beginning
        for table in tables:
            columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
            for column in columns:
                if column.endswith("time_since_epoch"):
                    database.execute(f"update {table} set {column} = {column} + {HOUR * 1000}")
    for path in [root, *root.rglob("*")]:
        os.utime(path, (time.time() + HOUR, path.stat().st_mtime + HOUR))


@pytest.mark.e2e
@pytest.mark.slow
def test_the_next_run_is_the_newest_and_takes_what_there_is_from_the_cache(charseq, tmp_path):
    task, root = write_tiny_task(tmp_path), tmp_path / "root"
    ahead = subprocess.run(
        [sys.executable, "-c", _AHEAD, task, root], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert ahead.returncode == 0, ahead.stderr[-3000:]
    first = json.loads(ahead.stdout.splitlines()[-1])
    put_ahead(root)
    assert first["pushed_version"] > time.time() + HOUR / 2
    result = charseq("run", task, "--json", "--root", root, "--set", "run.cache=true")
    assert result.status == 0, result.stderr
    second = result.json
    assert second["run_id"] < first["run_id"], "the clock was not set back"
    assert {"PairsExampleGen", "StatisticsGen", "Transform", "Trainer"} <= set(second["cached"])
    assert second["pushed_version"] > first["pushed_version"]
    assert second["served_version"] == second["pushed_version"]
    assert [run["run_id"] for run in charseq("runs", "--json", "--root", root).json["runs"]] == [
        second["run_id"],
        first["run_id"],
    ]
    shown = charseq("runs", "show", "2", "--json", "--root", root).json
    assert shown["run_id"] == second["run_id"]
    assert all(part["seconds"] >= 0 for part in shown["components"].values())


@pytest.mark.model
def test_runs_are_in_the_order_in_which_they_were_made(tmp_path):
    from ml_metadata import proto

    store = open_store(str(tmp_path / "metadata.sqlite"))
    kind = store.put_context_type(proto.ContextType(name="pipeline_run"))
    store.put_context_type(proto.ContextType(name="node"))
    for name in ("2026-01-01T12-00-00.0", "2026-01-01T11-00-01.0"):
        store.put_contexts([proto.Context(type_id=kind, name=name)])
        note_run(store, name, {"config": {"task": "tiny"}})
    with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
        database.execute(
            f"update Context set create_time_since_epoch = create_time_since_epoch - {HOUR * 1000} where id = 2"
        )
    runs = open_runs(tmp_path)
    assert [run.run_id for run in runs] == ["2026-01-01T11-00-01.0", "2026-01-01T12-00-00.0"]
    assert runs.find("").run_id == "2026-01-01T11-00-01.0"
