"""PredictionService over the wire: the official stubs against the real process, row by row of TensorFlow Serving's table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from charseq_client.arrays import from_proto, to_proto
from charseq_client.messages import (
    ModelServiceStub,
    PredictionServiceStub,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    types_pb2,
)
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, running_server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, shout_models: dict[int, Path], numbers_model: Path, push: Push
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    push(shout_models[1], folder / "serving" / "shout", 1)
    push(shout_models[2], folder / "serving" / "shout", 2)
    push(numbers_model, folder / "serving" / "numbers", 7)
    (folder / "serving" / "shout" / "notes").mkdir()
    (folder / "serving" / "empty").mkdir()
    arguments = (f"--serving_dir={folder / 'serving'}", "--tensorflow_inter_op_parallelism=4")
    with running_server(folder, *arguments) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.target) as channel:
        yield PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.target) as channel:
        yield ModelServiceStub(channel)


def _request(model: str, signature: str = "", output_filter: tuple[str, ...] = (), **inputs: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.output_filter.extend(output_filter)
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(to_proto(name, value))
    return request


def _refused(call: Any, request: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=120)
    return caught.value.code().name, caught.value.details()


def test_predict_answers_with_the_latest_version(stub: Any) -> None:
    response = stub.Predict(_request("shout", text=["ab", "é" * 40]), timeout=120)

    assert response.outputs["text"].string_val == [b"2:ab:AB", ("2:" + "é" * 40 + ":?").encode()]
    assert list(response.outputs["log_prob"].float_val) == [2.0, 80.0]
    assert response.model_spec.name == "shout"
    assert response.model_spec.version.value == 2
    assert response.model_spec.signature_name == "serving_default"


def test_outputs_filtered(stub: Any) -> None:
    response = stub.Predict(_request("shout", output_filter=("log_prob",), text=["ab"]), timeout=120)

    assert list(response.outputs) == ["log_prob"]


def test_two_outputs_of_one_tensor(stub: Any) -> None:
    response = stub.Predict(_request("shout", "same", text=["x"]), timeout=120)

    assert response.outputs["first"].string_val == response.outputs["second"].string_val == [b"x"]


def test_every_type_is_answered_in_its_own_field(stub: Any) -> None:
    response = stub.Predict(_request("numbers", "cast", x=np.array([0, 1, 3], np.int64)), timeout=120)

    fields = {
        "float32": "float_val",
        "float64": "double_val",
        "complex64": "scomplex_val",
        "complex128": "dcomplex_val",
        "bool": "bool_val",
        "int64": "int64_val",
        "uint32": "uint32_val",
        "uint64": "uint64_val",
        "float16": "half_val",
    }
    assert len(response.outputs) == 15
    for name, proto in response.outputs.items():
        filled = {field.name for field, _ in proto.ListFields()} - {"dtype", "tensor_shape"}
        if name == "bfloat16":
            assert (filled, list(proto.half_val)) == ({"half_val"}, [0, 0x3F80, 0x4040])
            continue
        assert filled == {fields.get(name, "int_val")}, name
        expected = np.array([0, 1, 3]).astype(name)
        np.testing.assert_array_equal(from_proto(proto), expected)
        assert from_proto(proto).dtype == expected.dtype


def test_scalars_and_tensors_without_elements(stub: Any) -> None:
    response = stub.Predict(_request("numbers", "scalar", x=np.float32(2)), timeout=120)

    assert from_proto(response.outputs["x"]).shape == ()
    assert float(from_proto(response.outputs["x"])) == 3.0
    assert from_proto(response.outputs["none"]).shape == (0, 2)
    assert from_proto(response.outputs["nothing"]).shape == (0,)


def test_version_can_be_named(stub: Any) -> None:
    request = _request("shout", text=["ab"])
    request.model_spec.version.value = 2

    assert stub.Predict(request, timeout=120).model_spec.version.value == 2


def test_unknown_model_and_version(stub: Any) -> None:
    assert _refused(stub.Predict, _request("m", text=["a"])) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(m)",
    )
    request = _request("shout", text=["a"])
    request.model_spec.version.value = 1  # on disk, but only the latest is served
    assert _refused(stub.Predict, request) == ("NOT_FOUND", "Servable not found for request: Specific(shout, 1)")


def test_model_spec_is_required(stub: Any) -> None:
    assert _refused(stub.Predict, predict_pb2.PredictRequest()) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "s"
    assert _refused(stub.Predict, request) == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")


def test_unknown_label_and_signature(stub: Any) -> None:
    request = _request("shout", text=["a"])
    request.model_spec.version_label = "canary"
    assert _refused(stub.Predict, request) == ("INVALID_ARGUMENT", "Unrecognized servable version label: canary")
    assert _refused(stub.Predict, _request("shout", "s", text=["a"])) == (
        "FAILED_PRECONDITION",
        'Serving signature key "s" not found.',
    )
    assert _refused(stub.Predict, _request("shout", "__saved_model_init_op"))[0] == "FAILED_PRECONDITION"


def test_inputs_that_do_not_match_the_signature(stub: Any) -> None:
    assert _refused(stub.Predict, _request("numbers", a=np.ones((1, 3), np.float32))) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
    )
    code, message = _refused(stub.Predict, _request("shout", txt=["a"]))
    assert code == "INVALID_ARGUMENT"
    assert message.startswith(
        "Signature input alias: text(feed name: serving_default_text:0) not found in request and "
    )


def test_output_filter_that_does_not_match_the_signature(stub: Any) -> None:
    assert _refused(stub.Predict, _request("shout", output_filter=("x",), text=["a"])) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: x Outputs expected to be in the set {log_prob,text}.",
    )
    assert _refused(stub.Predict, _request("shout", output_filter=("text", "text"), text=["a"])) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: text",
    )


def test_tensor_that_cannot_be_parsed(stub: Any) -> None:
    refused = ("INVALID_ARGUMENT", "tensor parsing error: text")
    request = _request("shout", text=["a"])
    request.inputs["text"].dtype = 99
    assert _refused(stub.Predict, request) == refused
    request = _request("shout", text=["a"])
    request.inputs["text"].tensor_shape.dim[0].size = -2
    assert _refused(stub.Predict, request) == refused


def test_a_shape_that_the_request_did_not_pay_for(stub: Any, server: RunningServer) -> None:
    before = server.resident_mib()
    request = _request("numbers", "cast", x=np.array([1], np.int64))
    for size in (1 << 40, 1 << 62):
        request.inputs["x"].Clear()
        request.inputs["x"].dtype = types_pb2.DT_INT64
        request.inputs["x"].tensor_shape.dim.add().size = size
        request.inputs["x"].int64_val.append(1)
        assert _refused(stub.Predict, request) == ("INVALID_ARGUMENT", "tensor parsing error: x")
    assert server.resident_mib() < before + 50


def test_wrong_type_and_wrong_shape_are_tensorflows_own_words(stub: Any) -> None:
    a, b = np.ones((1, 3), np.float32), np.ones((4, 2), np.float32)
    code, message = _refused(stub.Predict, _request("numbers", a=a.astype(np.float64), b=b))
    assert (code, message) == ("INVALID_ARGUMENT", "Expects arg[0] to be float but double is provided")
    code, message = _refused(stub.Predict, _request("numbers", a=a, b=b))
    assert code == "INVALID_ARGUMENT"
    assert "Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]" in message


def test_a_failed_assertion_and_the_limit_of_a_message(stub: Any) -> None:
    code, message = _refused(stub.Predict, _request("shout", text=["a!"]))
    assert code == "INVALID_ARGUMENT"
    assert "is not one this model knows" in message
    _, message = _refused(stub.Predict, _request("shout", text=["!" + "é" * 600]))
    assert len(message.removesuffix("...TRUNCATED").encode("utf-8")) == 1024
    assert message.endswith("...TRUNCATED")


def test_the_deadline_of_the_call_ends_the_inference(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(_request("shout", "slow", seconds=np.float64(3600)), timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # The session has stopped too: it does not go on for an hour.
    assert stub.Predict(_request("shout", "slow", seconds=np.float64(0)), timeout=120).model_spec.version.value == 2


def test_metadata(stub: Any) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "shout"
    refused = "GetModelMetadataRequest must specify at least one metadata_field"
    assert _refused(stub.GetModelMetadata, request) == ("INVALID_ARGUMENT", refused)
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request, timeout=120)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)

    assert response.model_spec.version.value == 2
    assert {"serving_default", "same", "slow"} <= set(signatures.signature_def)
    text = signatures.signature_def["serving_default"].inputs["text"]
    assert text.dtype == types_pb2.DT_STRING
    assert [dimension.size for dimension in text.tensor_shape.dim] == [-1]
    request.metadata_field.append("X")
    assert _refused(stub.GetModelMetadata, request) == ("INVALID_ARGUMENT", "Metadata field X is not supported")


def test_status(models: Any) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "shout"
    (status,) = models.GetModelStatus(request, timeout=120).model_version_status

    assert (status.version, status.state, status.status.error_code) == (2, 30, 0)
    request.model_spec.version.value = 9
    assert _refused(models.GetModelStatus, request) == ("NOT_FOUND", "Could not find version 9 of model shout")
    request.model_spec.name = "m"
    request.model_spec.ClearField("version")
    assert _refused(models.GetModelStatus, request) == ("NOT_FOUND", "Could not find any versions of model m")
    request.ClearField("model_spec")
    assert _refused(models.GetModelStatus, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_unknown_method(server: RunningServer) -> None:
    with grpc.insecure_channel(server.target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/tensorflow.serving.PredictionService/Nothing")(b"", timeout=120)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
