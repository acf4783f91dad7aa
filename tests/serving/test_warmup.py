"""Warm-up requests: TensorFlow's file format, and what a model that refuses them is worth."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
import tensorflow as tf
from hypothesis import given

from serving.arrays import to_proto
from serving.client import Client
from serving.errors import Code, ServingError
from serving.saved_model import SavedModel
from serving.stubs import predict_pb2, prediction_log_pb2
from serving.tfrecord import read_records, write_records
from serving.warmup import run_warmup, write_warmup_requests
from tests.serving.conftest import Push
from tests.serving.processes import run_server, running_server


def _request(text: str) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.inputs["text"].CopyFrom(to_proto("text", [text]))
    return request


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_tensorflow_reads_our_records_and_we_read_its(records: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
        write_records(ours, records)
        with tf.io.TFRecordWriter(str(theirs)) as writer:
            for record in records:
                writer.write(record)

        assert ours.read_bytes() == theirs.read_bytes()
        assert list(read_records(theirs)) == records


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
    write_warmup_requests(folder, [_request("a"), _request("b")])
    model = SavedModel(str(folder))
    try:
        assert run_warmup(model, iterations=3) == 2
    finally:
        model.close()


def test_a_model_that_refuses_its_warm_up_is_not_served(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    write_warmup_requests(push(shout_models[1], tmp_path / "serving" / "shout", 1), [_request("fine")])
    write_warmup_requests(push(shout_models[2], tmp_path / "serving" / "shout", 2), [_request("refused!")])
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
    path = write_warmup_requests(folder, [])
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


def test_too_many_requests_are_refused_when_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1001 warm-up requests"):
        write_warmup_requests(tmp_path, [_request("a")] * 1001)
