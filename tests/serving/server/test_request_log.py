"""Requests that a server logs: what is in the files, and what it takes to answer meanwhile."""

import json
import stat
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest

from charseq_client import Client, PredictionError
from charseq_client.arrays import from_proto
from charseq_client.messages import (
    ModelServiceStub,
    PredictionServiceStub,
    classification_pb2,
    model_management_pb2,
    model_server_config_pb2,
    prediction_log_pb2,
)
from serving.contract.errors import Code, ServingError
from serving.contract.request_logs import find_logs, read_logs
from serving.contract.tfrecord import frame_record
from serving.free_port import free_port
from serving.rollout.trial import read_requests
from serving.server import request_log
from serving.server.monitoring import Metrics
from serving.server.request_log import RequestLogs
from tests.serving.processes import run_server, running_server


def _entry(name: str, model: Path, prefix: Path | None, rate: float = 1.0, kind: str = "tfrecord") -> Any:
    entry = model_server_config_pb2.ModelConfig(name=name, base_path=str(model.parent), model_platform="tensorflow")
    if prefix is not None:
        entry.logging_config.log_collector_config.type = kind
        entry.logging_config.log_collector_config.filename_prefix = str(prefix)
        entry.logging_config.sampling_config.sampling_rate = rate
    return entry


def _config(*entries: Any) -> Any:
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.extend(entries)
    return config


def _texts(log: Any) -> list[bytes]:
    return list(log.predict_log.request.inputs["text"].string_val)


@pytest.mark.e2e
@pytest.mark.parametrize("batching", [False, True])
def test_requests_and_answers_over_both_ports_are_in_the_log(
    tmp_path: Path, shout_models: dict[int, Path], judge_model: Path, batching: bool
) -> None:
    prefix = tmp_path / "log"
    config = tmp_path / "models.config"
    config.write_text(
        str(_config(_entry("shout", shout_models[1], prefix), _entry("judge", judge_model, tmp_path / "judged")))
    )
    flags = [
        f"--model_config_file={config}",
        f"--rest_api_port={free_port()}",
        f"--enable_batching={str(batching).lower()}",
    ]
    with running_server(tmp_path, *flags) as server:
        with Client(server.target) as client:
            answer = client.predict({"text": ["a", "ab"]}, model="shout")
            with pytest.raises(PredictionError):
                client.predict({"text": ["!"]}, model="shout")
        body = json.dumps({"signature_name": "serving_default", "instances": ["over REST"]}).encode()
        address = f"{server.rest_url}/v1/models/shout:predict"
        urllib.request.urlopen(urllib.request.Request(address, body), timeout=20).close()
        request = classification_pb2.ClassificationRequest()
        request.model_spec.name, request.model_spec.signature_name = "judge", "classify"
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(0.25)
        with grpc.insecure_channel(server.target) as channel:
            judged = PredictionServiceStub(channel).Classify(request, timeout=20)
        assert server.terminate() == 0

    logged = list(read_logs(prefix))
    assert [_texts(log) for log in logged] == [[b"a", b"ab"], [b"over REST"]]
    first = logged[0]
    assert from_proto(first.predict_log.response.outputs["text"]).tolist() == answer.outputs["text"].tolist()
    assert first.predict_log.response.model_spec.version.value == answer.version
    spec = first.log_metadata.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("shout", answer.version, "serving_default")
    assert abs(first.log_metadata.timestamp_secs - time.time()) < 600
    assert first.log_metadata.sampling_config.sampling_rate == 1
    assert list(first.log_metadata.saved_model_tags) == ["serve"]
    (classified,) = read_logs(tmp_path / "judged")
    assert classified.classify_log.request == request
    assert classified.classify_log.response == judged
    (file,) = find_logs(prefix)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [list(request.inputs["text"].string_val) for request in read_requests(prefix)] == [
        [b"a", b"ab"],
        [b"over REST"],
    ]


@pytest.mark.e2e
def test_logging_is_switched_on_and_off_while_the_server_runs(tmp_path: Path, shout_models: dict[int, Path]) -> None:
    config = tmp_path / "models.config"
    config.write_text(str(_config(_entry("shout", shout_models[1], None))))
    with (
        running_server(tmp_path, f"--model_config_file={config}") as server,
        Client(server.target) as client,
        grpc.insecure_channel(server.target) as channel,
    ):

        def reload(entry: Any) -> Any:
            request = model_management_pb2.ReloadConfigRequest(config=_config(entry))
            return ModelServiceStub(channel).HandleReloadConfigRequest(request, timeout=20).status

        def ask(text: str) -> None:
            client.predict({"text": [text]}, model="shout")

        ask("before")
        reload(_entry("shout", shout_models[1], tmp_path / "log"))
        ask("during")
        with pytest.raises(grpc.RpcError) as refused:
            reload(_entry("shout", shout_models[1], tmp_path / "log", kind="file"))
        ask("after a refusal")
        reload(_entry("shout", shout_models[1], None))
        ask("afterwards")

    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert "Cannot find LogCollector::Factory for type: file" in refused.value.details()
    assert [_texts(log) for log in read_logs(tmp_path / "log")] == [[b"during"], [b"after a refusal"]]


@pytest.mark.e2e
def test_the_configuration_of_a_served_folder_is_followed(
    tmp_path: Path, shout_models: dict[int, Path], push: Any
) -> None:
    folder = tmp_path / "serving"
    push(shout_models[1], folder / "shout", 1)
    with running_server(tmp_path, f"--serving_dir={folder}") as server, Client(server.target) as client:
        entry = _entry("shout", folder / "shout" / "1", tmp_path / "log")
        (folder / "models.config").write_text(str(_config(entry)))
        for _ in range(200):
            client.predict({"text": ["a"]}, model="shout")
            if list(tmp_path.glob("log-*")):
                break
            time.sleep(0.05)

    assert [_texts(log) for log in read_logs(tmp_path / "log")] != []


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"kind": "kafka"}, Code.NOT_FOUND, "Cannot find LogCollector::Factory for type: kafka"),
        ({"kind": ""}, Code.NOT_FOUND, "the type is 'tfrecord' here"),
        ({"rate": 1.5}, Code.INVALID_ARGUMENT, "sampling_rate is 1.5; give 0 to 1"),
        ({"prefix": Path("relative")}, Code.INVALID_ARGUMENT, "give an absolute path"),
        ({"prefix": Path("/no such folder/log")}, Code.INVALID_ARGUMENT, "no file can be written into /no such folder"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, change: dict[str, Any], code: Code, message: str) -> None:
    entry = _entry("m", tmp_path / "1", **{"prefix": tmp_path / "log"} | change)

    with pytest.raises(ServingError) as refused:
        RequestLogs().prepare([entry])

    assert refused.value.code == code
    assert message in refused.value.message


@pytest.mark.e2e
def test_a_server_does_not_start_with_a_log_that_it_cannot_write(tmp_path: Path, shout_models: dict[int, Path]) -> None:
    config = tmp_path / "models.config"
    config.write_text(str(_config(_entry("shout", shout_models[1], Path("/no such folder/log")))))

    ended = run_server("--port=0", f"--model_config_file={config}")

    assert ended.returncode == 1
    assert "no file can be written into /no such folder" in ended.stderr + ended.stdout


def _log(logs: RequestLogs, text: str) -> None:
    request = prediction_log_pb2.PredictLog().request
    request.inputs["text"].string_val.append(text.encode())
    logs.log("predict_log", request, b"", "m", 1, "serving_default")


def _open(folder: Path, rate: float = 1.0, metrics: Metrics | None = None) -> RequestLogs:
    logs = RequestLogs(metrics=metrics)
    logs.take(logs.prepare([_entry("m", folder / "1", folder / "log", rate)]))
    return logs


def test_the_sampling_rate_is_the_share_that_is_logged(tmp_path: Path) -> None:
    logs = _open(tmp_path, 0.3)
    for number in range(3000):
        _log(logs, str(number))
    logs.close()

    # Nine standard deviations.
    assert 900 - 230 < len(list(read_logs(tmp_path / "log"))) < 900 + 230


def test_nothing_is_written_at_rate_0(tmp_path: Path) -> None:
    logs = _open(tmp_path, 0.0)
    _log(logs, "a")
    logs.close()

    assert list(tmp_path.iterdir()) == []


def test_a_long_log_is_continued_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MAX_FILE_BYTES", 1000)
    logs = _open(tmp_path)
    for number in range(100):
        _log(logs, str(number))
    logs.close()

    assert len(find_logs(tmp_path / "log")) > 3
    assert [_texts(log) for log in read_logs(tmp_path / "log")] == [[str(number).encode()] for number in range(100)]


def test_a_full_disk_costs_the_log_and_not_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, record: bytes) -> int:
            self._file.write(record[:5])
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            self._file.flush()

        def close(self) -> None:
            self._file.close()

    metrics = Metrics()
    logs = _open(tmp_path, metrics=metrics)
    really = request_log.os.fdopen
    monkeypatch.setattr(request_log.os, "fdopen", lambda *arguments: Full(really(*arguments)))
    _log(logs, "lost")
    while "UNAVAILABLE" not in metrics.page():
        time.sleep(0.01)
    monkeypatch.setattr(request_log.os, "fdopen", really)
    _log(logs, "kept")
    logs.close()

    assert [_texts(log) for log in read_logs(tmp_path / "log")] == [[b"kept"]]
    assert ':tensorflow:serving:request_log_count{model_name="m",status_code="UNAVAILABLE"} 1' in metrics.page()
    assert ':tensorflow:serving:request_log_count{model_name="m",status_code="OK"} 1' in metrics.page()


def test_where_the_disk_cannot_keep_up_records_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_MAX_WAITING_BYTES", 100)
    metrics = Metrics()
    logs = _open(tmp_path, metrics=metrics)
    _log(logs, "x" * 200)
    logs.close()

    assert list(tmp_path.glob("log-*")) == []
    assert 'status_code="RESOURCE_EXHAUSTED"} 1' in metrics.page()


def test_a_file_that_is_still_written_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["text"].string_val.append(b"a")
    record = frame_record(log.SerializeToString())
    for cut in range(len(record)):
        (tmp_path / "log").write_bytes(record + record[:cut])
        assert len(list(read_logs(tmp_path / "log"))) == 1
    (tmp_path / "log").write_bytes(record[:20] + b"?" + record[21:] + record)
    with pytest.raises(ServingError, match="corrupted record at 0"):
        list(read_logs(tmp_path / "log"))


def test_a_canary_is_tried_with_a_sample_of_a_long_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.rollout.trial._MAX_REQUESTS", 50)
    logs = _open(tmp_path)
    for number in range(1000):
        _log(logs, str(number))
    logs.close()

    numbers = [int(request.inputs["text"].string_val[0]) for request in read_requests(tmp_path / "log")]
    assert len(set(numbers)) == 50
    assert max(numbers) > 500  # and not the first alone
    again = [int(request.inputs["text"].string_val[0]) for request in read_requests(tmp_path / "log")]
    assert again == numbers
