"""Runs and what they made, in ML Metadata: TFX's own records, and notes on each run that TFX does not make.

Nothing here imports TensorFlow or TFX, which would take longer than any question about a run.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ml_metadata import errors, proto
from ml_metadata.metadata_store import MetadataStore

from components.names import (
    BASELINE,
    EVALUATOR,
    INFRA_VALIDATOR,
    METRICS_PROPERTY,
    PUSHED_VERSION_PROPERTY,
    PUSHER,
    REASON_PROPERTY,
    REASONS_PROPERTY,
    ROLLOUT_PROPERTY,
    VERSION_PROPERTY,
)
from serving.contract.canary_result import CanaryResult

_RUN_TYPE = "pipeline_run"
_NODE_TYPE = "node"

State = Literal["done", "cached", "failed", "interrupted", "unfinished"]
Result = Literal["blessed", "refused", "failed", "interrupted", "unfinished"]

_STATES: dict[int, State] = {
    proto.Execution.COMPLETE: "done",
    proto.Execution.CACHED: "cached",
    proto.Execution.FAILED: "failed",
    proto.Execution.CANCELED: "interrupted",
}


class NoSuchRunError(LookupError):
    """There is no such run; the message says which there are."""

    kind = "no-such-run"
    meaning = "There is no such run, or no run at all in the root."
    remedy = "`charseq runs` lists the runs; --root names their folder."


@dataclasses.dataclass(frozen=True)
class Output:
    """An artifact that a component made.

    Attributes:
      uri: Its folder.
      properties: Its properties, TFX's and our own.
    """

    uri: str
    properties: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class ComponentRecord:
    """A component's part in a run.

    Attributes:
      state: What came of it; `cached`: its outputs are an earlier run's; `unfinished`: it is running still, or was killed.
      began: When, in seconds since 1970.
      seconds: How long it took.
      outputs: Its first artifact under each output's name, if it is done or cached.
    """

    state: State
    began: float
    seconds: float
    outputs: dict[str, Output]


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
      number: Its place among all runs of the root, from 1.
      run_id: Its name.
      task: The task, which is the pipeline's name as well.
      began: When, in seconds since 1970.
      components: Its components by name, in the order in which they began.
      notes: What was noted of it, see `note_run`.
    """

    number: int
    run_id: str
    task: str
    began: float
    components: dict[str, ComponentRecord]
    notes: dict[str, Any]

    @property
    def done(self) -> dict[str, ComponentRecord]:
        """The components that have outputs."""
        return {name: record for name, record in self.components.items() if record.state in ("done", "cached")}

    @property
    def config(self) -> dict[str, Any]:
        """The whole configuration; empty if it was not noted, as for a run by an earlier version."""
        return dict(self.notes.get("config", {}))

    @property
    def failure(self) -> str:
        """The error that ended the run, empty if none did."""
        return str(self.notes.get("failure", ""))

    @property
    def reasons(self) -> list[str]:
        """Why there is no pushed version: the error, and what Evaluator and InfraValidator have against the model."""
        reasons = [self.failure] if self.failure else []
        reasons += json.loads(self.output_property(EVALUATOR, "blessing", REASONS_PROPERTY) or "[]")
        infra = self.output_property(INFRA_VALIDATOR, "blessing", REASON_PROPERTY)
        return reasons + ([f"InfraValidator: {infra}"] if infra else [])

    @property
    def result(self) -> Result:
        """What came of the run."""
        if self.failure:
            return "failed"
        if self.reasons:
            return "refused"
        if PUSHER in self.done:
            return "blessed"
        return "interrupted" if self.notes.get("interrupted") else "unfinished"

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics over the test split, the one that decides first; empty if the Evaluator was not reached."""
        return dict(json.loads(self.output_property(EVALUATOR, "evaluation", METRICS_PROPERTY) or "{}"))

    @property
    def pushed_version(self) -> int | None:
        """The version that was pushed, None if none was."""
        version = self.output_property(PUSHER, "pushed_model", PUSHED_VERSION_PROPERTY)
        return int(version) if version else None

    @property
    def rollout(self) -> CanaryResult | None:
        """What became of the pushed version as a canary; None if it was none."""
        rollout = self.output_property(PUSHER, "pushed_model", ROLLOUT_PROPERTY)
        return CanaryResult.from_json(rollout) if rollout else None

    @property
    def baseline_version(self) -> int | None:
        """The version that was served when the run began, None if none was."""
        version = self.output_property(BASELINE, "model", VERSION_PROPERTY)
        return int(version) if version else None

    @property
    def examples(self) -> dict[str, Any]:
        """Properties of the examples: `fingerprint`, `examples` (JSON of their numbers); empty if there are none."""
        return next(
            (r.outputs["examples"].properties for name, r in self.done.items() if name.endswith("ExampleGen")), {}
        )

    def output_property(self, component: str, output: str, name: str) -> Any:
        """Returns a property of an artifact, None if there is none."""
        record = self.done.get(component)
        return record.outputs[output].properties.get(name) if record and output in record.outputs else None


def connection_config(metadata_path: str) -> proto.ConnectionConfig:
    """Returns how to connect to a local runner's database.

    TFX's `sqlite_metadata_connection_config` also makes the database's folder, wherever a pipeline is compiled.
    """
    config = proto.ConnectionConfig()
    config.sqlite.filename_uri = metadata_path
    config.sqlite.connection_mode = config.sqlite.READWRITE_OPENCREATE
    return config


def open_store(metadata_path: str, read_only: bool = False) -> MetadataStore:
    """Opens a local runner's database."""
    config = connection_config(metadata_path)
    if read_only:
        config.sqlite.connection_mode = config.sqlite.READONLY
    return MetadataStore(config)


def note_run(store: MetadataStore, run_id: str, notes: Mapping[str, Any]) -> None:
    """Adds notes to a run.

    Args:
      store: ML Metadata, where the run's context is already.
      run_id: The run.
      notes: Values for JSON. Those in use: `config`, `code` (see code_version), `failure` (the error's text), `interrupted`
        (the component it was in), `served` (`version`, the one that is served afterwards, and `versions`, all that there are).
    """
    context = store.get_context_by_type_and_name(_RUN_TYPE, run_id)
    for name, value in notes.items():
        context.custom_properties[name].string_value = json.dumps(value, ensure_ascii=False)
    store.put_contexts([context])


def end_last_execution(store: MetadataStore, run_id: str, state: Literal["failed", "interrupted"]) -> None:
    """Marks what a run was doing as failed or interrupted, so that no later run takes its outputs for whole.

    A component may have ended without an error though it was interrupted. If it has failed before ML Metadata heard of it, the
    last one that did is done.
    """
    context = store.get_context_by_type_and_name(_RUN_TYPE, run_id)
    execution = max(store.get_executions_by_context(context.id), key=lambda e: e.id, default=None)
    done = (proto.Execution.COMPLETE, proto.Execution.CACHED)
    if execution is not None and not (state == "failed" and execution.last_known_state in done):
        execution.last_known_state = next(number for number, name in _STATES.items() if name == state)
        store.put_executions([execution])


def is_cached(store: MetadataStore, execution_id: int) -> bool:
    """Says whether an execution took an earlier one's outputs."""
    (execution,) = store.get_executions_by_id([execution_id])
    return bool(execution.last_known_state == proto.Execution.CACHED)


class Lineage:
    """The runs in a local runner's database, read-only."""

    def __init__(self, metadata_path: str):
        """Opens the database.

        Raises:
          NoSuchRunError: There is none.
        """
        self._root = root = os.path.dirname(os.path.abspath(metadata_path))
        if not os.path.exists(metadata_path):
            raise NoSuchRunError(
                f"there is no run in {root}: make one with charseq run, or name another folder with --root"
            )
        self._store = open_store(metadata_path, read_only=True)
        self._node_type = self._type_id(_NODE_TYPE)
        self._contexts = sorted(self._store.get_contexts_by_type(_RUN_TYPE), key=lambda context: context.id)

    def __len__(self) -> int:
        return len(self._contexts)

    def __iter__(self) -> Iterator[RunRecord]:
        """Yields the runs, the newest first."""
        for number in range(len(self), 0, -1):
            yield self._read(number)

    def find(self, name: str) -> RunRecord:
        """Returns a run by its name or number; by a task's name its latest one; the latest of all for the empty string.

        Raises:
          NoSuchRunError: There is no such run.
        """
        if not self._contexts:
            raise NoSuchRunError("there is no run yet: make one with charseq run")
        if not name:
            return self._read(len(self))
        names = [context.name for context in self._contexts]
        if name in names:
            return self._read(names.index(name) + 1)
        if name.isdecimal() and 1 <= int(name) <= len(self):
            return self._read(int(name))
        if (latest := next((run for run in self if run.task == name), None)) is not None:
            return latest
        raise NoSuchRunError(
            f"there is no run {name!r}: runs have the numbers 1 to {len(self)} (charseq runs), and no task of this name has run"
        )

    def _read(self, number: int) -> RunRecord:
        context = self._contexts[number - 1]
        store = self._store
        executions = sorted(store.get_executions_by_context(context.id), key=lambda execution: execution.id)
        names, task = {}, ""
        for execution in executions:
            node = next(c.name for c in store.get_contexts_by_execution(execution.id) if c.type_id == self._node_type)
            task, _, names[execution.id] = node.rpartition(".")
        outputs = self._outputs([execution.id for execution in executions], task)
        components = {
            names[execution.id]: ComponentRecord(
                _STATES.get(execution.last_known_state, "unfinished"),
                execution.create_time_since_epoch / 1000,
                # Not negative where the clock was set back meanwhile.
                max(execution.last_update_time_since_epoch - execution.create_time_since_epoch, 0) / 1000,
                outputs.get(execution.id, {}),
            )
            for execution in executions
        }
        notes = {name: json.loads(value.string_value) for name, value in context.custom_properties.items()}
        if not task:
            task = str(notes.get("config", {}).get("task", ""))
        return RunRecord(number, context.name, task, context.create_time_since_epoch / 1000, components, notes)

    def _outputs(self, execution_ids: list[int], task: str) -> dict[int, dict[str, Output]]:
        """Returns what executions of a task made, by the output's name."""
        events = self._store.get_events_by_execution_ids(execution_ids) if execution_ids else []
        events = [event for event in events if event.type == proto.Event.OUTPUT]
        artifacts = {a.id: a for a in self._store.get_artifacts_by_id([event.artifact_id for event in events])}
        outputs: dict[int, dict[str, Output]] = {}
        for event in events:
            key = next(step.key for step in event.path.steps if step.HasField("key"))
            artifact = artifacts[event.artifact_id]
            output = Output(self._here(artifact.uri, task), _properties(artifact))
            outputs.setdefault(event.execution_id, {}).setdefault(key, output)
        return outputs

    def _here(self, uri: str, task: str) -> str:
        """Returns an artifact's folder in this root, if it has it: a root that has been moved or copied has its artifacts."""
        before, found, inner = uri.rpartition(f"/artifacts/{task}/")
        here = f"{self._root}{found}{inner}"
        return here if found and before != self._root and os.path.exists(here) else uri

    def _type_id(self, name: str) -> int | None:
        try:
            return int(self._store.get_context_type(name).id)
        except errors.NotFoundError:
            return None


def _properties(artifact: proto.Artifact) -> dict[str, Any]:
    properties = {}
    for name, value in [*artifact.properties.items(), *artifact.custom_properties.items()]:
        kind = value.WhichOneof("value")
        properties[name] = getattr(value, kind) if kind else None
    return properties
