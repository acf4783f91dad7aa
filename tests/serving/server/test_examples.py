"""Classify, Regress and MultiInference by the official stubs against the real process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from charseq_client.arrays import to_proto
from charseq_client.messages import (
    PredictionServiceStub,
    classification_pb2,
    example_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)
from tests.serving.conftest import Push
from tests.serving.processes import running_server
from tests.serving.saved_models import rename_method

pytestmark = pytest.mark.e2e

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def stub(
    tmp_path_factory: pytest.TempPathFactory, judge_model: Path, shout_models: dict[int, Path], push: Push
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("server")
    push(judge_model, folder / "serving" / "judge", 4)
    push(shout_models[1], folder / "serving" / "shout", 1)
    with (
        running_server(folder, f"--serving_dir={folder / 'serving'}") as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        yield PredictionServiceStub(channel)


def _example(**features: float) -> Any:
    example = example_pb2.Example()
    for name, value in features.items():
        example.features.feature[name].float_list.value.append(value)
    return example


def _request(kind: Any, *examples: Any, model: str = "judge", signature: str = "", context: Any = None) -> Any:
    request = kind()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if context is None:
        request.input.example_list.examples.extend(examples)
    else:
        request.input.example_list_with_context.context.CopyFrom(context)
        request.input.example_list_with_context.examples.extend(examples)
    return request


def _multi(*tasks: tuple[str, str, str], examples: tuple[Any, ...] = (_example(x=0.25),)) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name = model
        task.model_spec.signature_name = signature
    request.input.example_list.examples.extend(examples)
    return request


def _refused(call: Any, request: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=120)
    return caught.value.code().name, caught.value.details()


def test_classify(stub: Any) -> None:
    response = stub.Classify(
        _request(classification_pb2.ClassificationRequest, _example(x=0.25), _example(x=1)), timeout=120
    )

    answered = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert answered == [[("low", 0.75), ("high", 0.25)], [("low", 0.0), ("high", 1.0)]]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("judge", 4, "serving_default")


def test_regress_with_a_context(stub: Any) -> None:
    request = _request(
        regression_pb2.RegressionRequest, _example(), _example(x=1.5), signature="regress", context=_example(x=3)
    )
    response = stub.Regress(request, timeout=120)

    assert [r.value for r in response.result.regressions] == [6.0, 3.0]
    assert response.model_spec.signature_name == "regress"


def test_multi_inference(stub: Any) -> None:
    response = stub.MultiInference(_multi(("judge", "classify", CLASSIFY), ("judge", "regress", REGRESS)), timeout=120)

    first, second = response.results
    assert [c.score for c in first.classification_result.classifications[0].classes] == [0.75, 0.25]
    assert [r.value for r in second.regression_result.regressions] == [0.5]
    assert (first.model_spec.version.value, second.model_spec.signature_name) == (4, "regress")


def test_what_classify_and_regress_refuse(stub: Any) -> None:
    classify, regress = classification_pb2.ClassificationRequest, regression_pb2.RegressionRequest
    refused = [
        (stub.Classify, classify(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (stub.Classify, _request(classify), "INVALID_ARGUMENT", "Input is empty."),
        (stub.Regress, _request(regress, signature="regress"), "INVALID_ARGUMENT", "Input is empty."),
        (
            *(stub.Classify, _request(classify, _example(), model="m")),
            *("NOT_FOUND", "Servable not found for request: Latest(m)"),
        ),
        (
            *(stub.Classify, _request(classify, _example(), signature="s")),
            *("INVALID_ARGUMENT", "No signature was found with the name: s"),
        ),
        (
            *(stub.Regress, _request(regress, _example(), signature="s")),
            *("INVALID_ARGUMENT", "No signature was found with the name: s"),
        ),
        (
            *(stub.Classify, _request(classify, _example(), signature="regress")),
            *("INVALID_ARGUMENT", "Expected classification signature outputs to contain at least one of"),
        ),
        (
            *(stub.Classify, _request(classify, _example(), model="shout")),
            *("INVALID_ARGUMENT", "No classification inputs found in SignatureDef"),
        ),
        (
            *(stub.Regress, _request(regress, _example(), signature="classify")),
            *("INVALID_ARGUMENT", "Expected one output Tensor."),
        ),
        (
            *(stub.Regress, _request(regress, _example(), signature="wrong")),
            *("INVALID_ARGUMENT", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got"),
        ),
    ]
    for call, request, code, message in refused:
        answered = _refused(call, request)
        assert (answered[0], answered[1][: len(message)]) == (code, message)


def test_what_multi_inference_refuses(stub: Any) -> None:
    refused = [
        ((), "ModelSpec has no name specified."),
        ((("judge", "s", CLASSIFY),), "Requested signature not found in model graph: s"),
        ((("judge", "classify", CLASSIFY),) * 2, "Duplicate evaluation of signature: classify"),
        (
            (("judge", "classify", CLASSIFY), ("shout", "regress", REGRESS)),
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (  # of two models with one signature name, the model is what is wrong
            (("judge", "classify", CLASSIFY), ("shout", "classify", CLASSIFY)),
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        ((("judge", "classify", CLASSIFY), ("", "regress", REGRESS)), "Found ModelSpec with an empty model name."),
    ]
    for tasks, message in refused:
        assert _refused(stub.MultiInference, _multi(*tasks)) == ("INVALID_ARGUMENT", message)
    predict = _multi(("judge", "classify", "tensorflow/serving/predict"))
    assert _refused(stub.MultiInference, predict) == (
        "UNIMPLEMENTED",
        "Unsupported signature method_name: tensorflow/serving/predict",
    )
    assert _refused(stub.MultiInference, _multi(("judge", "classify", CLASSIFY), examples=()))[1] == "Input is empty."


def test_the_method_name_is_checked_when_it_is_asked_for(tmp_path: Path, judge_model: Path, push: Push) -> None:
    version = push(judge_model, tmp_path / "serving" / "judge", 1)
    rename_method(version, "raw", "some/method")
    arguments = (f"--serving_dir={tmp_path / 'serving'}", "--enable_signature_method_name_check")
    with running_server(tmp_path, *arguments) as server, grpc.insecure_channel(server.target) as channel:
        stub = PredictionServiceStub(channel)
        for call, kind, method in (
            (stub.Classify, classification_pb2.ClassificationRequest, "classification"),
            (stub.Regress, regression_pb2.RegressionRequest, "regression"),
        ):
            code, message = _refused(call, _request(kind, _example(), signature="regress"))
            assert code == "INVALID_ARGUMENT"
            assert message.startswith(f"Expected {method} signature method_name to be tensorflow/serving/")
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "judge", "raw"
        request.inputs["image_bytes"].CopyFrom(to_proto("image_bytes", ["a"]))
        assert _refused(stub.Predict, request) == (
            "INTERNAL",
            "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
            "tensorflow/serving/classify, tensorflow/serving/regress}. Was: some/method",
        )
