"""The compiled pipeline runs step by step as Kubeflow would run it, and pushes the model that a local run pushes."""

import json
import os

import numpy as np
import pytest

from charseq_client import Client
from tests.pipeline.conftest import QUICK
from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.launcher import Cluster
from tests.pipeline.kubeflow.pod import CHECKOUT, why_not_confined
from tests.serving.processes import running_server

# Most of it is the imports of 14 steps.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

TEXT = (
    "--set",
    "train.units=64",
    "--set",
    "train.epochs=1",
    "--set",
    "gate.bits_per_character=9",
    "--set",
    "gate.beat_floor=false",
    "--set",
    "ngram.order=3",
)

MILK = (
    "--set",
    "train.units=8",
    "--set",
    "train.epochs=1",
    "--set",
    "train.steps=30",
    "--set",
    "gate.beat_floor=false",
)

# What is asked of the pushed model: signature and inputs.
SUMS_QUESTION = ("serving_default", {"text": [f"{a}+{b}" for a in range(1, 100) for b in range(1, 100)]})
TEXT_QUESTION = ("score", {"text": ["The with statement", "import os", "object.__init__(self)"]})
MILK_QUESTION = ("serving_default", {"history": [[600.0 + 50 * (month % 12) for month in range(60)]]})


class Case:
    """A task, run locally and on the stand-in for a cluster."""

    def __init__(self, task, options, question, local_place, compiled, folder):
        self.task, self.question, self.local_place, self.folder = task, question, local_place, folder
        self.volume = folder / "a volume"
        self.cluster = Cluster(folder, claims={"charseq": self.volume}, restricted=True)
        # Where pods cannot be made, a step's working directory is the root of its copies of artifacts.
        bare = {"mount": str(self.volume), "app_dir": str(CHECKOUT), "artifact_root": "."}
        settings = {"retries": 0} | (bare if why_not_confined() else {})
        accepted = accept(compiled(task, options[1::2], **settings))
        # sums with a root of the run's own, text with that of the installation.
        self.root = "s3://bucket/charseq" if task == "sums" else "minio://mlpipeline/v2/artifacts"
        own_root = self.root if task == "sums" else ""
        self.first = self.cluster.run(accepted, pipeline_root=own_root)
        self.versions_after_first = os.listdir(self.volume / "serving" / task)
        self.checkpoints = os.listdir(self.volume / "checkpoints" / task)
        self.answers = self.ask(self.volume / "serving", "cluster")
        self.run_again = lambda: self.cluster.run(accepted, pipeline_root=own_root)

    def ask(self, serving_dir, name):
        signature, inputs = self.question
        folder = self.folder / f"server-{name}"
        folder.mkdir()
        with (
            running_server(folder, f"--serving_dir={serving_dir}", "--max_request_rows=0") as server,
            Client(server.target, timeout=120) as client,
        ):
            client.wait_until_available(self.task)
            return client.predict(inputs, model=self.task, signature=signature).outputs


OTHERS = {"text": (TEXT, TEXT_QUESTION), "milk": (MILK, MILK_QUESTION)}


@pytest.fixture(scope="module", params=["sums", *(pytest.param(task, marks=pytest.mark.slow) for task in OTHERS)])
def case(request, charseq, compiled, place, tmp_path_factory):
    if request.param == "sums":
        request.getfixturevalue("first_run")
        options, question = QUICK, SUMS_QUESTION
    else:
        place = tmp_path_factory.mktemp("local")
        options, question = OTHERS[request.param]
        result = charseq("run", request.param, "--json", "--root", place, *options)
        assert result.status == 0, result.stderr
    return Case(request.param, options, question, place, compiled, tmp_path_factory.mktemp("cluster"))


def test_a_run_without_a_served_version_pushes_the_model_of_a_local_run(case):
    assert case.first.cached == []
    assert case.first.outputs["baseline"]["model"].metadata["version"] == ""
    pushed = case.first.outputs["pusher"]["pushed_model"].metadata
    assert sorted(case.versions_after_first) == [".last_version", pushed["pushed_version"]]
    local = case.ask(case.local_place / "serving", "local")
    assert local.keys() == case.answers.keys()
    for name, expected in local.items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(case.answers[name], expected, rtol=1e-6, atol=1e-4)
        else:
            assert case.answers[name].tolist() == expected.tolist()


def test_every_artifact_lies_in_the_object_store(case):
    for step, outputs in case.first.outputs.items():
        for name, artifact in outputs.items():
            assert artifact.uri.startswith(f"{case.root}/{case.task}/")
            assert not any("/pods/" in str(value) for value in artifact.metadata.values())
            empty = (step, name) == ("baseline", "model")
            assert any(path.is_file() for path in case.cluster.path(artifact.uri).rglob("*")) != empty, artifact.uri


def test_checkpoints_lie_in_the_volume_until_the_model_is_exported(case):
    assert case.checkpoints == []


@pytest.mark.slow
def test_a_second_run_has_a_baseline_and_takes_from_the_cache_what_does_not_depend_on_it(case):
    first, second = case.first, case.run_again()
    assert set(second.seconds) == {"baseline", "example-validator", "evaluator", "pusher"}
    assert set(second.cached) == set(first.outputs) - set(second.seconds)
    first_version = first.outputs["pusher"]["pushed_model"].metadata["pushed_version"]
    assert second.outputs["baseline"]["model"].metadata["version"] == first_version
    blessing = second.outputs["evaluator"]["blessing"].metadata
    assert (blessing["blessed"], json.loads(blessing["reasons"])) == (1, [])
    second_version = second.outputs["pusher"]["pushed_model"].metadata["pushed_version"]
    assert int(second_version) > int(first_version)
    assert (case.volume / "serving" / case.task / second_version / "saved_model.pb").exists()


def test_pods_get_what_was_asked_for(case):
    assert case.first.pods["trainer"]["limits"] == {"cpu": "4", "memory": "8Gi"}
    assert case.first.pods["baseline"]["limits"] == {"cpu": "1", "memory": "4Gi"}
