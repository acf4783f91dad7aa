"""The stand-in for Kubeflow's backend refuses what the backend refuses."""

import pytest
import yaml

from tests.pipeline.kubeflow.backend import RefusedError, accept


@pytest.fixture(scope="module")
def documents(compiled):
    return list(yaml.safe_load_all(compiled(accelerator="nvidia.com/gpu")))


def tasks(spec):
    return spec["root"]["dag"]["tasks"]


def executor(spec, step):
    return spec["deploymentSpec"]["executors"][f"{step}_executor"]


def rename(spec):
    tasks(spec)["Pusher"] = tasks(spec).pop("pusher")


BAD = {
    "another schema version": (lambda s, p: s.update(schemaVersion="2.0.0"), "only supports schema version 2.1.0"),
    "no name": (lambda s, p: s.update(pipelineInfo={}), "pipeline name"),
    "a field that is none": (lambda s, p: s.update(schemaVersions="2.1.0"), "schemaVersions"),
    "no root": (lambda s, p: s.update(root={}), "root component is empty"),
    "a resolver": (
        lambda s, p: s["deploymentSpec"]["executors"].update({"baseline_executor": {"resolver": {}}}),
        "baseline: resolver executors not implemented",
    ),
    "a custom job": (
        lambda s, p: s["deploymentSpec"]["executors"].update({"trainer_executor": {"customJob": {}}}),
        "trainer: customJob executors not implemented|custom_job",
    ),
    "a driver of its own": (
        lambda s, p: executor(s, "sums-example-gen")["container"].update(
            lifecycle={"preCacheCheck": {"command": ["true"]}}
        ),
        "lifecycle",
    ),
    "an unknown executor": (
        lambda s, p: s["deploymentSpec"]["executors"].pop("pusher_executor"),
        "executor\\(label='pusher_executor'\\) not found",
    ),
    "an unknown component": (
        lambda s, p: tasks(s)["pusher"].update(componentRef={"name": "pushr"}),
        "cannot find component ref name='pushr'",
    ),
    "an unknown task in dependentTasks": (
        lambda s, p: tasks(s)["pusher"]["dependentTasks"].append("bulk-inferrer"),
        "unknown producer task 'bulk-inferrer'",
    ),
    "an unknown producer": (
        lambda s, p: tasks(s)["pusher"]["inputs"]["artifacts"]["model"]["taskOutputArtifact"].update(producerTask="x"),
        "unknown producer task 'x'",
    ),
    "an output that the producer has not": (
        lambda s, p: tasks(s)["pusher"]["inputs"]["artifacts"]["model"]["taskOutputArtifact"].update(
            outputArtifactKey="x"
        ),
        "trainer has no output 'x'",
    ),
    "an unresolved input artifact": (
        lambda s, p: tasks(s)["pusher"]["inputs"]["artifacts"].pop("model"),
        "pusher: input artifact 'model' comes from nowhere",
    ),
    "an unresolved parameter": (
        lambda s, p: tasks(s)["pusher"]["inputs"]["parameters"].pop("model_dir"),
        "pusher: neither value nor default value provided for 'model_dir'",
    ),
    "a parameter of another type": (
        lambda s, p: tasks(s)["example-validator"]["inputs"]["parameters"].update(
            check_drift={"runtimeValue": {"constant": "yes"}}
        ),
        "type mismatch: expect NUMBER_INTEGER, got string_value",
    ),
    "a parameter that the pipeline has not": (
        lambda s, p: s["root"]["inputDefinitions"]["parameters"].pop("settings"),
        "parent DAG does not have input parameter settings",
    ),
    "a node selector that the pipeline has not": (
        lambda s, p: s["root"]["inputDefinitions"]["parameters"].pop("node_selector"),
        "parent DAG does not have input parameter node_selector",
    ),
    "a name that is none in Kubernetes": (lambda s, p: rename(s), "'Pusher' is no name"),
    "tasks that wait for each other": (
        lambda s, p: tasks(s)["sums-example-gen"].update(dependentTasks=["pusher"]),
        "tasks wait for each other",
    ),
    "a platform other than Kubernetes": (
        lambda s, p: p["platforms"].update(vertex=p["platforms"].pop("kubernetes")),
        "platforms",
    ),
    "a pod of no task": (
        lambda s, p: p["platforms"]["kubernetes"]["deploymentSpec"]["executors"].update(tuner_executor={}),
        "'tuner_executor', which no task has",
    ),
    "a field that pods have not": (
        lambda s, p: p["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["trainer_executor"].update(gpu=1),
        "gpu",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_is_refused(documents, what):
    change, said = BAD[what]
    spec, platform = yaml.safe_load(yaml.safe_dump(documents))
    change(spec, platform)
    with pytest.raises(RefusedError, match=said):
        accept(yaml.safe_dump_all([spec, platform]))


def test_two_pipelines_in_a_file_are_refused(documents):
    with pytest.raises(RefusedError, match="2 pipeline specs"):
        accept(yaml.safe_dump_all([documents[0], documents[0]]))
    with pytest.raises(RefusedError, match="0 pipeline specs"):
        accept("")
