"""What a run made, read from ML Metadata."""

import dataclasses
from typing import Any

from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore

_RUN_CONTEXT = "pipeline_run"
_NODE_CONTEXT = "node"


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
      cached: Whether its outputs are an earlier run's.
      outputs: Its first artifact under each output's name.
    """

    cached: bool
    outputs: dict[str, Output]


def read_run(metadata_path: str, run_id: str) -> dict[str, ComponentRecord]:
    """Returns the components of a run that have ended well, by name.

    Args:
      metadata_path: The database of the local runner.
      run_id: Name of the run.

    Raises:
      KeyError: No run has that name.
    """
    config = proto.ConnectionConfig()
    config.sqlite.filename_uri = metadata_path
    store = MetadataStore(config)
    context = store.get_context_by_type_and_name(_RUN_CONTEXT, run_id)
    if context is None:
        raise KeyError(run_id)
    done = {
        execution.id: execution
        for execution in store.get_executions_by_context(context.id)
        if execution.last_known_state in (proto.Execution.COMPLETE, proto.Execution.CACHED)
    }
    names = {}
    for execution_id in done:
        (node,) = (c.name for c in store.get_contexts_by_execution(execution_id) if _is_node(store, c))
        names[execution_id] = node.rpartition(".")[2]
    events = [e for e in store.get_events_by_execution_ids(list(done)) if e.type == proto.Event.OUTPUT] if done else []
    artifacts = {a.id: a for a in store.get_artifacts_by_id([event.artifact_id for event in events])}
    records = {
        names[execution_id]: ComponentRecord(execution.last_known_state == proto.Execution.CACHED, {})
        for execution_id, execution in sorted(done.items())
    }
    for event in events:
        key = next(step.key for step in event.path.steps if step.HasField("key"))
        artifact = artifacts[event.artifact_id]
        records[names[event.execution_id]].outputs.setdefault(key, Output(artifact.uri, _properties(artifact)))
    return records


def _is_node(store: MetadataStore, context: proto.Context) -> bool:
    return bool(store.get_context_types_by_id([context.type_id])[0].name == _NODE_CONTEXT)


def _properties(artifact: proto.Artifact) -> dict[str, Any]:
    properties = {}
    for name, value in [*artifact.properties.items(), *artifact.custom_properties.items()]:
        kind = value.WhichOneof("value")
        properties[name] = getattr(value, kind) if kind else None
    return properties
