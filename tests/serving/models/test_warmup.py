"""Warm-up requests: TensorFlow's file format, and what a model that refuses them is worth."""

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from charseq_client import Client
from charseq_client.arrays import to_proto
from charseq_client.messages import predict_pb2, prediction_log_pb2
from serving.contract.errors import Code, ServingError
from serving.contract.tfrecord import read_records
from serving.server.models.saved_model import SavedModel
from serving.server.models.warmup import run_warmup
from tests.serving.conftest import Push
from tests.serving.processes import run_server, running_server
from tests.serving.saved_models import write_records, write_warmup

pytestmark = pytest.mark.e2e


def _log(text: str) -> Any:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(_request(text))
    return log


def _request(text: str) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.inputs["text"].CopyFrom(to_proto("text", [text]))
    return request


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_we_read_the_records_that_tensorflow_writes(records: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        write_records(path, records)

        assert list(read_records(path)) == records


@pytest.mark.parametrize("damage", [slice(0, 1), slice(9, 10), slice(13, 14), slice(-1, None)])
def test_a_damaged_or_cut_file_is_data_loss(tmp_path: Path, damage: slice) -> None:
    write_records(tmp_path / "records", [b"first record"])
    content = bytearray((tmp_path / "records").read_bytes())
    content[damage] = bytes(byte ^ 0xFF for byte in content[damage])
    for broken in (bytes(content), bytes(content)[:-3], bytes(content)[:5]):
        (tmp_path / "broken").write_bytes(broken)
        with pytest.raises(ServingError) as caught:
            list(read_records(tmp_path / "broken"))
        assert caught.value.code == Code.DATA_LOSS


def test_warm_up_is_replayed(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    folder = push(shout_models[1], tmp_path, 1)
    write_warmup(folder, _log("a"), _log("b"))
    model = SavedModel(str(folder))
    try:
        assert run_warmup(model, iterations=3) == 2
    finally:
        model.close()


def test_a_model_that_refuses_its_warm_up_is_not_served(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    write_warmup(push(shout_models[1], tmp_path / "serving" / "shout", 1), _log("fine"))
    write_warmup(push(shout_models[2], tmp_path / "serving" / "shout", 2), _log("refused!"))
    arguments = (f"--serving_dir={tmp_path / 'serving'}", "--max_num_load_retries=0")
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        assert client.predict({"text": ["ab"]}, model="shout").version == 1
        refused = client.status("shout", version=2)[0]
        assert (refused.state, refused.error_code) == ("END", Code.INVALID_ARGUMENT)
        assert "is not one this model knows" in refused.error_message
    candidate = tmp_path / "serving" / "shout"
    with (
        running_server(
            tmp_path, f"--model_base_path={candidate}", "--enable_model_warmup=false", "--model_name=m"
        ) as server,
        Client(server.target) as client,
    ):
        assert client.predict({"text": ["ab"]}, model="m").version == 2


def test_other_kinds_of_log_and_damaged_files_are_refused(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    folder = push(shout_models[1], tmp_path / "m", 1)
    path = write_warmup(folder)
    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    for content, words in ((log.SerializeToString(), "Unsupported log_type"), (b"\xff", "Failed to parse")):
        write_records(path, [content])
        ended = run_server(f"--model_base_path={tmp_path / 'm'}", "--port=0", "--max_num_load_retries=0")
        assert (ended.returncode, words in ended.stderr) == (1, True), ended.stderr
    path.write_bytes(b"not a TFRecord file")
    ended = run_server(f"--model_base_path={tmp_path / 'm'}", "--port=0", "--max_num_load_retries=0")
    assert "DATA_LOSS" in ended.stderr
    assert "Please verify your warmup data is in TFRecord format." in ended.stderr


def test_too_many_requests_are_refused(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    folder = push(shout_models[1], tmp_path, 1)
    write_warmup(folder, *[_log("a")] * 1001)
    model = SavedModel(str(folder))
    try:
        with pytest.raises(ServingError, match=r"Number of warmup records exceeds the maximum \(1000\)"):
            run_warmup(model)
    finally:
        model.close()


def test_requests_over_examples_warm_up_too(tmp_path: Path, judge_model: Path, push: Push) -> None:
    folder = push(judge_model, tmp_path, 1)
    logs = [prediction_log_pb2.PredictionLog() for _ in range(3)]
    requests = [logs[0].classify_log.request, logs[1].regress_log.request, logs[2].multi_inference_log.request]
    for request in requests:
        request.input.example_list.examples.add()
    requests[1].model_spec.signature_name = "regress"
    requests[2].tasks.add().model_spec.signature_name = "regress"
    write_warmup(folder, *logs)
    model = SavedModel(str(folder))
    try:
        assert run_warmup(model) == 3
    finally:
        model.close()
