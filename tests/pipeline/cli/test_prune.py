"""`charseq prune`: what it deletes, and what it must not."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from google.protobuf import text_format
from ml_metadata import proto

from charseq_client.messages import model_server_config_pb2
from components.pusher.publish import _LAST_VERSION
from pipeline.cli import main
from pipeline.lineage import open_store
from pipeline.places import Places
from serving.contract.layout import CONFIG_NAME
from serving.rollout.history import Entry, append_entry

TASK = "names"


class Root:
    """A root with runs, as the local runner records them: an ExampleGen, a Trainer that reads its output, and a push."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(str(folder))
        folder.mkdir()
        self.store = open_store(self.places.metadata_path)
        types = {"pipeline": None, "pipeline_run": None, "node": None}
        for name in types:
            types[name] = self.store.put_context_type(proto.ContextType(name=name))
        self.context_types = types
        self.execution_type = self.store.put_execution_type(proto.ExecutionType(name="component"))
        self.artifact_type = self.store.put_artifact_type(proto.ArtifactType(name="any"))
        self.nodes: dict[str, int] = {}

    def run(self, number: int, version: int | None = None, examples: int | None = None, state: str = "COMPLETE") -> int:
        """Adds a run; returns the id of its examples.

        Args:
          number: The day on which it began.
          version: The version that it pushed.
          examples: The artifact of an earlier run that is taken for its examples.
          state: That of its last execution.
        """
        run = self._context("pipeline_run", f"2026-11-{number:02}T00-00-00.000000")
        made = self._execute(run, "ExampleGen", [], examples)
        model = self._execute(run, "Trainer", [made], None, state=state if version is None else "COMPLETE")
        if version is not None:
            self._execute(run, "Pusher", [model], None, {"pushed_version": str(version)}, output="pushed_model")
            folder = Path(self.places.model_dir(TASK)) / str(version)
            folder.mkdir(parents=True)
            (folder / "saved_model.pb").write_bytes(b"x" * 1000)
        return made

    def configure(self, text: str) -> None:
        base = self.places.model_dir(TASK)
        config = f'model_config_list {{ config {{ name: "{TASK}" base_path: "{base}" model_platform: "tensorflow" {text} }} }}'
        text_format.Parse(config, model_server_config_pb2.ModelServerConfig())
        Path(self.places.serving_dir, CONFIG_NAME).write_text(config)

    def artifacts(self) -> set[str]:
        folder = Path(self.places.artifacts(TASK))
        return {str(path.relative_to(folder)) for path in folder.glob("*/*/*") if not path.name.startswith(".")}

    def versions(self) -> set[int]:
        return {int(path.name) for path in Path(self.places.model_dir(TASK)).glob("[0-9]*")}

    def prune(self, *arguments: str) -> dict:
        command = ["prune", "--root", self.places.root, "--json", *arguments]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def _context(self, kind: str, name: str) -> int:
        (found,) = self.store.put_contexts([proto.Context(type_id=self.context_types[kind], name=name)])
        return found

    def _execute(self, run, component, inputs, cached, properties=(), output="output", state="COMPLETE") -> int:
        node = self.nodes.setdefault(component, 0) or self._context("node", f"{TASK}.{component}")
        self.nodes[component] = node
        execution = proto.Execution(type_id=self.execution_type)
        execution.last_known_state = proto.Execution.CACHED if cached else getattr(proto.Execution, state)
        (execution_id,) = self.store.put_executions([execution])
        artifact_id = cached
        if cached is None:
            folder = Path(self.places.artifacts(TASK)) / component / output / str(execution_id)
            folder.mkdir(parents=True)
            (folder / "data").write_bytes(b"x" * 10_000)
            artifact = proto.Artifact(type_id=self.artifact_type, uri=str(folder), state=proto.Artifact.LIVE)
            for name, value in dict(properties).items():
                artifact.custom_properties[name].string_value = value
            (artifact_id,) = self.store.put_artifacts([artifact])
        events = []
        for kind, ids in ((proto.Event.INPUT, inputs), (proto.Event.OUTPUT, [artifact_id])):
            for number in ids:
                event = proto.Event(execution_id=execution_id, artifact_id=number, type=kind)
                event.path.steps.add().key = output
                event.path.steps.add().index = 0
                events.append(event)
        self.store.put_events(events)
        links = [proto.Association(execution_id=execution_id, context_id=context) for context in (run, node)]
        self.store.put_attributions_and_associations([], links)
        return artifact_id


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "a root")


def test_it_shows_first_and_deletes_what_it_has_shown(root: Root) -> None:
    for number in range(1, 5):
        root.run(number, version=100 + number)
    before = root.artifacts()

    shown = root.prune("--keep", "2")
    assert not shown["deleted"]
    assert root.artifacts() == before
    assert root.versions() == {101, 102, 103, 104}
    deleted = root.prune("--keep", "2", "--yes")

    assert deleted["items"] == shown["items"]
    assert [item["name"] for item in shown["items"] if item["kind"] == "version"] == ["102", "101"]
    assert shown["bytes"] == sum(item["bytes"] for item in shown["items"]) == 6 * 10_000 + 2 * 1_000
    assert root.versions() == {103, 104}
    assert not any(Path(path).exists() for item in deleted["items"] for path in item["paths"])
    assert root.prune("--keep", "2")["items"] == []


def test_an_unpinned_model_keeps_its_newest_version_and_the_one_that_a_rollback_goes_to(root: Root) -> None:
    for number in range(1, 5):
        root.run(number, version=100 + number)

    kept = {(entry["kind"], entry["name"]): entry["reason"] for entry in root.prune("--keep", "1", "--yes")["kept"]}

    assert root.versions() == {103, 104}
    assert kept["version", "103"] == "a rollback goes to it"
    assert kept["run", "run 3"] == "of its version 103: a rollback goes to it"


def test_what_is_served_labelled_or_a_rollbacks_target_stays_with_all_that_made_it(root: Root) -> None:
    for number in range(1, 8):
        root.run(number, version=100 + number)
    root.configure(
        "model_version_policy { specific { versions: 104 versions: 103 versions: 105 } } "
        'version_labels { key: "stable" value: 104 } version_labels { key: "canary" value: 105 }'
    )
    for version, previous in ((102, None), (104, 102)):
        append_entry(Path(root.places.serving_dir), Entry(0.0, TASK, "promote", version, previous))

    answer = root.prune("--keep", "1", "--yes")

    assert root.versions() == {102, 103, 104, 105, 107}
    reasons = {entry["name"]: entry["reason"] for entry in answer["kept"] if entry["kind"] == "version"}
    assert reasons == {
        "105": "it has the label canary",
        "104": "it has the label stable",
        "103": "it is served",
        "102": "a rollback goes to it",
    }
    assert {entry["name"] for entry in answer["kept"] if entry["kind"] == "run"} == {f"run {n}" for n in (2, 3, 4, 5)}
    assert len(root.artifacts()) == 3 * 5


def test_what_a_run_that_stays_took_from_an_earlier_one_stays(root: Root) -> None:
    examples = root.run(1)
    root.run(2)
    root.run(3, examples=examples)

    answer = root.prune("--keep", "1", "--yes")

    assert [entry["name"] for entry in answer["kept"]] == ["run 1, ExampleGen"]
    assert answer["kept"][0]["reason"] == "run 3 uses them"
    assert {name.split("/")[0] for name in root.artifacts()} == {"ExampleGen", "Trainer"}
    assert len(root.artifacts()) == 2


def test_a_later_run_does_not_take_what_was_deleted_from_the_cache(root: Root) -> None:
    root.run(1)
    root.run(2)
    root.prune("--keep", "1", "--yes")

    states = [artifact.state for artifact in root.store.get_artifacts()]
    assert states == [proto.Artifact.DELETED] * 2 + [proto.Artifact.LIVE] * 2


def test_a_run_that_may_be_at_work_stays_and_one_that_was_killed_long_ago_goes(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.run(1, state="RUNNING")
    root.run(2)
    assert root.prune("--keep", "1")["kept"][0]["reason"] == "it may be running still"

    monkeypatch.setattr("pipeline.retention.runs._MAY_BE_RUNNING_S", 0.0)
    assert {item["name"] for item in root.prune("--keep", "1")["items"]} == {"run 1, ExampleGen", "run 1, Trainer"}


def test_checkpoints_of_trainings_that_nobody_goes_on_with_go(root: Root) -> None:
    import os

    for number in range(3):
        folder = Path(root.places.checkpoints(TASK)) / f"c{number}"
        folder.mkdir(parents=True)
        (folder / "checkpoint.npz").write_bytes(b"x" * 100)
        os.utime(folder / "checkpoint.npz", (number, number))
        os.utime(folder, (number, number))

    items = root.prune("--keep", "1", "--yes")["items"]

    assert [(item["kind"], item["name"], item["bytes"]) for item in items] == [
        ("checkpoint", "c1", 100),
        ("checkpoint", "c0", 100),
    ]
    assert [path.name for path in Path(root.places.checkpoints(TASK)).iterdir()] == ["c2"]


def test_one_task_can_be_named_and_others_are_left(root: Root) -> None:
    for number in (1, 2):
        root.run(number)

    Path(root.places.checkpoints("other")).mkdir(parents=True)

    assert root.prune("other", "--keep", "1")["items"] == []
    assert root.prune(TASK, "--keep", "1")["items"] != []
    misspelt = CliRunner().invoke(main, ["prune", "nam", "--root", root.places.root])
    assert misspelt.exit_code == 2
    assert "there is no task 'nam' here; there are names, other" in misspelt.output


def test_reports_records_and_the_last_version_stay(root: Root) -> None:
    for number in (1, 2, 3):
        root.run(number, version=100 + number)
    report = Path(root.places.report_path(TASK, "2026-11-01T00-00-00.000000"))
    report.parent.mkdir(parents=True)
    report.write_text("page")
    last = Path(root.places.model_dir(TASK)) / _LAST_VERSION
    last.write_text("103")

    root.prune("--keep", "1", "--yes")

    assert report.exists()
    assert last.read_text() == "103"
    listed = CliRunner().invoke(main, ["runs", "--root", root.places.root, "--json"])
    assert [run["run"] for run in json.loads(listed.stdout)["runs"]] == [3, 2, 1]


def test_what_cannot_be_deleted_is_named_and_the_rest_is_deleted(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.run(1)
    root.run(2)
    really = shutil.rmtree

    def refuse(path: str) -> None:
        if "Trainer" in path:
            raise PermissionError(13, "Permission denied", path)
        really(path)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    result = CliRunner().invoke(main, ["prune", "--root", root.places.root, "--keep", "1", "--yes"])

    assert result.exit_code == 1
    assert "cannot be deleted: Permission denied" in result.stderr
    assert [item["name"] for item in root.prune("--keep", "1")["items"]] == ["run 1, Trainer"]


def test_a_root_without_runs_is_bad_input(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["prune", "--root", str(tmp_path / "none")])

    assert result.exit_code == 2
    assert "there is no run" in result.output
