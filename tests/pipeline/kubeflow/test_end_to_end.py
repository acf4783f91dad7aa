"""The compiled pipeline runs step by step as Kubeflow would run it, and pushes the model that a local run pushes."""

import json
import os

import numpy as np
import pytest

from serving.client import Client
from tests.pipeline.conftest import QUICK
from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.launcher import CHECKOUT, Cluster
from tests.serving.processes import running_server

# Most of it is the imports of 14 steps.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TEXTS = [f"{a}+{b}" for a in range(1, 100) for b in range(1, 100)]


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """The claim with the pushed models, at the same path in every pod."""
    return tmp_path_factory.mktemp("a volume")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    return Cluster(tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def accepted(compiled, volume):
    # The working directory of a pod is the root of its copies, so that pods side by side do not see each other's.
    settings = {"mount": str(volume), "app_dir": str(CHECKOUT), "artifact_root": ".", "retries": 0}
    return accept(compiled(assignments=QUICK[1::2], **settings))


@pytest.fixture(scope="module")
def first(cluster, accepted):
    return cluster.run(accepted)


@pytest.fixture(scope="module")
def second(first, cluster, accepted):
    return cluster.run(accepted)


def answers(serving_dir, folder):
    with running_server(folder, f"--serving_dir={serving_dir}") as server, Client(server.target, timeout=120) as client:
        client.wait_until_available("sums")
        prediction = client.predict({"text": TEXTS}, model="sums")
    return prediction.strings("text"), prediction.outputs["log_prob"]


def test_a_run_without_a_served_version_pushes_the_model_of_a_local_run(first, first_run, place, volume, tmp_path):
    assert first.cached == []
    assert first.outputs["baseline"]["model"].metadata["version"] == ""
    pushed = first.outputs["pusher"]["pushed_model"].metadata
    assert sorted(os.listdir(volume / "serving" / "sums")) == [".last_version", pushed["pushed_version"]]
    (tmp_path / "kubeflow").mkdir()
    (tmp_path / "local").mkdir()
    texts, log_probs = answers(volume / "serving", tmp_path / "kubeflow")
    local_texts, local_log_probs = answers(place / "serving", tmp_path / "local")
    assert texts == local_texts
    np.testing.assert_allclose(log_probs, local_log_probs, atol=1e-6)


def test_every_artifact_lies_in_the_object_store(first, cluster):
    for step, outputs in first.outputs.items():
        for name, artifact in outputs.items():
            assert artifact.uri.startswith("minio://mlpipeline/v2/artifacts/sums/")
            empty = (step, name) == ("baseline", "model")
            assert any(path.is_file() for path in cluster.path(artifact.uri).rglob("*")) != empty, artifact.uri


def test_checkpoints_lie_in_the_volume_until_the_model_is_exported(first, volume):
    assert os.listdir(volume / "checkpoints" / "sums") == []


def test_a_second_run_has_a_baseline_and_takes_from_the_cache_what_does_not_depend_on_it(
    first, second, cluster, volume
):
    assert set(second.seconds) == {"baseline", "example-validator", "evaluator", "pusher"}
    assert set(second.cached) == set(first.outputs) - set(second.seconds)
    first_version = first.outputs["pusher"]["pushed_model"].metadata["pushed_version"]
    assert second.outputs["baseline"]["model"].metadata["version"] == first_version
    blessing = second.outputs["evaluator"]["blessing"].metadata
    assert (blessing["blessed"], json.loads(blessing["reasons"])) == (1, [])
    second_version = second.outputs["pusher"]["pushed_model"].metadata["pushed_version"]
    assert int(second_version) > int(first_version)
    assert (volume / "serving" / "sums" / second_version / "saved_model.pb").exists()


def test_pods_get_what_was_asked_for(first):
    assert first.pods["trainer"]["limits"] == {"cpu": "4", "memory": "8Gi"}
    assert first.pods["baseline"]["limits"] == {"cpu": "1", "memory": "4Gi"}
