"""A model server started as the Deployment starts it: its init container, its flags and files, its probes."""

import shlex
import subprocess
import time
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from charseq_client import Client
from charseq_client.text import Sampling
from serving.contract.model_config import register
from serving.free_port import free_port
from serving.rollout import list_models, promote
from tests.k8s.conftest import K8S, named, pods
from tests.k8s.test_manifests import _arguments
from tests.serving.conftest import push, shout_models  # noqa: F401 (fixtures)
from tests.serving.processes import running_server
from tests.serving.saved_models import save_writer

pytestmark = pytest.mark.e2e


@pytest.fixture
def folders(tmp_path):
    """The pod's mounts on this machine."""
    volume, config = tmp_path / "charseq", tmp_path / "etc"
    volume.mkdir()
    config.mkdir()
    for path in (K8S / "base" / "config").iterdir():
        text = path.read_text().replace("sums", "shout").replace("/charseq/", f"{volume}/")
        (config / path.name).write_text(text)
    return {"/charseq": volume, "/etc/serving": config}


def localise(text, folders):
    for mount, folder in folders.items():
        text = text.replace(mount, str(folder))
    return text


def health(target):
    with grpc.insecure_channel(target) as channel:
        request = health_pb2.HealthCheckRequest(service="PredictionService")
        return health_pb2_grpc.HealthStub(channel).Check(request, timeout=120).status


def test_a_pod_waits_for_the_first_version_then_answers_and_follows_a_promotion(
    rendered,
    folders,
    tmp_path,
    shout_models,  # noqa: F811
    push,  # noqa: F811
):
    ((_, spec),) = pods(rendered("overlays/cpu"))
    serving_dir = folders["/charseq"] / "serving"
    init = named(spec["initContainers"], "wait-for-model")
    script = localise(init["args"][0], folders).replace("sleep 5", "sleep 0.1")
    with subprocess.Popen([*init["command"], script], env={"PATH": "/usr/bin:/bin", "HOSTNAME": "pod-1"}) as waiting:
        time.sleep(0.5)
        assert waiting.poll() is None, "there is no model yet"
        push(shout_models[1], serving_dir / "shout", 1)
        time.sleep(0.5)
        assert waiting.poll() is None, "the push is not over"
        register(serving_dir, "shout")
        assert waiting.wait(120) == 0
    assert [path.name for path in serving_dir.iterdir() if "models.config" in path.name] == ["models.config"]

    server = named(spec["containers"], "serving")
    arguments = [localise(argument, folders) for argument in _arguments(server)]
    fixed = ("--port=", "--rest_api_port=", "--model_config_file_poll_wait_seconds", "--file_system_poll_wait_seconds")
    arguments = [argument for argument in arguments if not argument.startswith(fixed)]
    (tmp_path / "server").mkdir()
    quick = ["--model_config_file_poll_wait_seconds=1", "--file_system_poll_wait_seconds=0.1", "--rest_api_port=0"]
    rest = ["--rest_api_port=" + str(free_port())]
    with running_server(tmp_path / "server", *arguments, *quick, *rest) as running, Client(running.target) as client:
        assert health(running.target) == health_pb2.HealthCheckResponse.SERVING
        assert client.predict({"text": ["ab"]}, model="shout").strings("text") == ["1:ab:AB"]
        metrics = urllib.request.urlopen(f"{running.rest_url}/monitoring/prometheus/metrics").read().decode()
        assert "tensorflow:serving:request_count" in metrics
        push(shout_models[2], serving_dir / "shout", 2)
        client.wait_until_available("shout", version=2)
        promote(serving_dir, "shout", 1, server=running.target)
        push(shout_models[3], serving_dir / "shout", 3)
        assert client.predict({"text": ["ab"]}, model="shout", label="stable").version == 1
        # A model of another name, pushed while the server runs.
        push(shout_models[1], serving_dir / "other", 1)
        register(serving_dir, "other")
        assert client.wait_until_available("other") == 1
        # Two prompts and one length: only a model that is not batched answers requests whose inputs have unequal rows.
        push(save_writer(tmp_path / "writer"), serving_dir / "writer", 1)
        register(serving_dir, "writer")
        client.wait_until_available("writer")
        asked = {"prompt": ["a", "b"]} | Sampling(length=3).inputs(1)
        assert len(client.predict(asked, model="writer").strings("text")) == 2
        (model,) = (m for m in list_models(serving_dir, server=running.target) if m.name == "shout")
        assert (model.stable, model.pinned) == (1, True)


def test_the_script_of_the_init_container_leaves_a_rollouts_configuration_alone(rendered, folders):
    ((_, spec),) = pods(rendered("overlays/cpu"))
    init = named(spec["initContainers"], "wait-for-model")
    version = folders["/charseq"] / "serving" / "shout" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    config = folders["/charseq"] / "serving" / "models.config"
    config.write_text("what a rollout wrote")
    script = localise(init["args"][0], folders)
    completed = subprocess.run([*init["command"], script], timeout=120, check=False)
    assert completed.returncode == 0, shlex.join([*init["command"], script])
    assert config.read_text() == "what a rollout wrote"
