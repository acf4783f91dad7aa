"""InfraValidator: the real server process, and what it refuses."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tfx.components.pusher import executor as tfx_pusher
from tfx.components.util import model_utils
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from charseq_client.messages import get_model_status_pb2
from components.example_gen.shards import write_shard
from components.example_gen.splits import TEST, TRAIN
from components.example_gen.sums import to_record_batch
from components.infra_validator import server_process, validation
from components.infra_validator.component import Executor
from components.infra_validator.server_process import ServerError
from components.infra_validator.settings import InfraSettings
from components.infra_validator.validation import validate
from components.names import REASON_PROPERTY
from components.settings import SettingsError, to_json
from pipeline.families import find_family
from serving.contract.layout import REQUEST_STATISTICS_PATH, WARMUP_PATH

pytestmark = pytest.mark.e2e

SETTINGS = InfraSettings(requests=5, batch=8, timeout=60)
SERVER = [sys.executable, "-m", "serving"]


@pytest.fixture
def candidate(saved_model, tmp_path):
    return shutil.copytree(saved_model, tmp_path / "candidate")


@pytest.fixture
def examples(tmp_path):
    batch = to_record_batch(np.array([[a, b] for a in range(1, 5) for b in range(1, 5)]))
    # A model may refuse what its training had nothing like, and is not to be asked for it.
    longer = to_record_batch(np.array([[10**15, 10**15]]))
    write_shard([(longer, np.full(1, TEST)), (batch, np.full(16, TRAIN))], str(tmp_path / "examples"), 0, 1)
    return str(tmp_path / "examples")


def check(candidate, examples, command=SERVER, settings=SETTINGS):
    validate(settings, str(candidate), "sums", examples, find_family("sums").request_fn, command)


def test_a_good_candidate_passes_and_has_the_requests_for_warm_up(candidate, examples):
    check(candidate, examples)
    records = tf.data.TFRecordDataset(str(candidate / WARMUP_PATH)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    assert [len(request.inputs["text"].string_val) for request in requests] == [1] * 5 + [8]
    assert {request.model_spec.name for request in requests} == {"sums"}
    described = (candidate / REQUEST_STATISTICS_PATH).read_bytes()
    (data,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(described).datasets
    features = {feature.path.step[0]: feature for feature in data.features}
    assert data.num_examples == 16
    assert {bucket.label for bucket in features["text_characters"].string_stats.rank_histogram.buckets} == set("1234+")
    assert (features["text_length_value"].num_stats.min, features["text_length_value"].num_stats.max) == (3, 3)


def test_a_candidate_that_does_not_load_is_refused_with_the_servers_reason(candidate, examples):
    (candidate / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(ServerError, match=r"does not load|could not load"):
        check(candidate, examples)


def test_a_candidate_without_weights_is_refused(candidate, examples):
    shutil.rmtree(candidate / "variables")
    with pytest.raises(ServerError, match=r"(does not load|could not load).*(V|v)ariable"):
        check(candidate, examples)


def test_a_candidate_that_refuses_training_examples_is_refused(candidate, tmp_path):
    batch = to_record_batch(np.array([[1, 2], [100, 2]]))
    write_shard([(batch, np.full(2, TRAIN))], str(tmp_path / "long"), 0, 1)
    with pytest.raises(ServerError, match=r"(?s).*has 5 characters"):
        check(candidate, str(tmp_path / "long"))


def test_a_server_that_answers_otherwise_than_the_model_is_refused(candidate, examples, tmp_path):
    # A "server" that serves another model than it is told to.
    other = tmp_path / "other" / "1"

    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def answer(self, text):
            return {"text": tf.strings.join(["7", text]), "log_prob": tf.zeros(tf.shape(text))}

    module = Other()
    tf.saved_model.save(module, str(other), signatures={"serving_default": module.answer})
    program = (
        "import os, sys\n"
        "arguments = [a for a in sys.argv[1:] if not a.startswith('--model_base_path')]\n"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'serving', *arguments, '--model_base_path={other.parent}'])"
    )
    with pytest.raises(ServerError, match=r"the server gives (text b'7|log_prob).*the model itself"):
        check(candidate, examples, [sys.executable, "-c", program])


def test_a_server_that_does_not_start_is_named_with_its_log(candidate, examples):
    with pytest.raises(ServerError, match=r"ended with status 3(.|\n)*no licence"):
        check(candidate, examples, [sys.executable, "-c", "import sys; print('no licence'); sys.exit(3)"])


def test_a_server_that_never_answers_is_given_up(candidate, examples):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ServerError, match="not available in time"):
        check(candidate, examples, command, InfraSettings(timeout=1.0))


def test_time_in_which_the_run_was_stopped_is_no_waiting(monkeypatch):
    """Ctrl-Z for ten minutes while the server starts: the deadline passes, and the model is not refused for it."""
    answers = iter(["loading", "loading", "available"])
    clock = itertools.count(0, 600)

    class Stub:
        def __init__(self, channel):
            pass

        def GetModelStatus(self, request, timeout):  # noqa: N802 - gRPC's name
            response = get_model_status_pb2.GetModelStatusResponse()
            state = (
                get_model_status_pb2.ModelVersionStatus.AVAILABLE
                if next(answers) == "available"
                else get_model_status_pb2.ModelVersionStatus.LOADING
            )
            response.model_version_status.add(version=1, state=state)
            return response

    class Running:
        def poll(self):
            return None

    monkeypatch.setattr(server_process, "ModelServiceStub", Stub)
    monkeypatch.setattr(server_process.time, "monotonic", lambda: next(clock))
    server_process._wait_until_available(Running(), None, "m", 120.0, "")
    answers = iter(["loading"] * 100)
    with pytest.raises(ServerError, match="not available in time: the model was still loading"):
        server_process._wait_until_available(Running(), None, "m", 20.0, "/dev/null")


def test_a_request_that_was_not_answered_in_time_is_sent_once_more():
    class Late(grpc.RpcError):
        def code(self):
            return grpc.StatusCode.DEADLINE_EXCEEDED

    class Stub:
        late = 1

        def Predict(self, request, timeout):  # noqa: N802 - gRPC's name
            if self.late:
                self.late -= 1
                raise Late
            return "answer"

    stub = Stub()
    assert validation._predict(stub, "request", 1.0) == "answer"
    stub.late = 2
    with pytest.raises(Late):
        validation._predict(stub, "request", 1.0)


def test_nothing_is_left_running(candidate, examples):
    check(candidate, examples)
    running = [entry for entry in os.listdir("/proc") if entry.isdigit() and _parent(entry) == os.getpid()]
    assert not [pid for pid in running if b"serving" in _command(pid)]


def _parent(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _command(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def test_settings_that_cannot_be_are_named():
    with pytest.raises(SettingsError, match=r"infra\.requests is 2000"):
        InfraSettings(requests=2000)


@pytest.mark.parametrize("refused", [False, True])
def test_tfxs_own_components_read_the_blessing(candidate, examples, refused, tmp_path):
    model, blessing = standard_artifacts.Model(), standard_artifacts.InfraBlessing()
    model.uri, blessing.uri = str(tmp_path / "model"), str(tmp_path / "blessing")
    shutil.copytree(candidate, path_utils.serving_model_dir(model.uri))
    if refused:
        shutil.rmtree(Path(path_utils.serving_model_dir(model.uri)) / "variables")
    properties = {"settings": to_json(SETTINGS), "model_name": "sums", "request_fn": find_family("sums").request_fn}
    read = standard_artifacts.Examples()
    read.uri = examples
    Executor().Do(
        {"model": [model], "examples": [read]},
        {"blessing": [blessing]},
        properties | {"server_command": json.dumps(SERVER)},
    )
    assert model_utils.is_infra_validated(blessing) != refused
    assert ("ariable" in blessing.get_string_custom_property(REASON_PROPERTY)) == refused
    assert (Path(blessing.uri) / ("INFRA_NOT_BLESSED" if refused else "INFRA_BLESSED")).exists()
    pushed = tfx_pusher.Executor().GetModelPath({"infra_blessing": [blessing]})
    assert (Path(pushed) / "saved_model.pb").exists()
    assert tfx_pusher.Executor().CheckBlessing({"infra_blessing": [blessing]}) != refused


_VALIDATOR = """
import sys
from components.infra_validator.server_process import model_server

with model_server([sys.executable, "-c", "import time; time.sleep(600)"], "m", "/nowhere", 600):
    pass
"""


@pytest.mark.e2e
def test_the_server_ends_when_the_run_is_killed():
    run = psutil.Process(subprocess.Popen([sys.executable, "-c", _VALIDATOR]).pid)
    deadline = time.monotonic() + 60
    while not (servers := [child for child in run.children() if "time.sleep(600)" in " ".join(child.cmdline()[:3])]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (server,) = servers
    run.kill()
    run.wait(30)
    server.wait(30)
    assert not server.is_running()
