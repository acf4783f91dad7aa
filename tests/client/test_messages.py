"""The messages of the client: those of the public packages, beside TensorFlow in one process."""

import subprocess
import sys
import textwrap

import pytest
from google.protobuf import descriptor_pb2

from charseq_client import messages
from client.generate_messages import TARGET, serialized_messages


def test_the_descriptors_are_those_of_the_installed_packages() -> None:
    ours = descriptor_pb2.FileDescriptorSet.FromString(TARGET.read_bytes())
    theirs = descriptor_pb2.FileDescriptorSet.FromString(serialized_messages())

    assert [file.name for file in ours.file] == [file.name for file in theirs.file]
    assert ours == theirs, "TensorFlow or its messages have changed: run client/generate_messages.py"


@pytest.mark.e2e
@pytest.mark.parametrize("first", ["charseq_client.messages", "tensorflow"])
def test_tensorflow_and_the_client_work_in_one_process_in_either_order(first: str) -> None:
    code = f"""
        import {first}
        import tensorflow as tf
        from charseq_client.arrays import from_proto
        from charseq_client.messages import get_model_metadata_pb2, predict_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2 as their_metadata, predict_pb2 as theirs
        request = theirs.PredictRequest()
        request.inputs["text"].CopyFrom(tf.make_tensor_proto(["ab"]))
        ours = predict_pb2.PredictRequest.FromString(request.SerializeToString())
        signatures = their_metadata.SignatureDefMap()
        signatures.signature_def["s"].method_name = "m"
        response = their_metadata.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        answer = get_model_metadata_pb2.GetModelMetadataResponse.FromString(response.SerializeToString())
        unpacked = get_model_metadata_pb2.SignatureDefMap()
        assert answer.metadata["signature_def"].Unpack(unpacked)
        print(from_proto(ours.inputs["text"]), unpacked.signature_def["s"].method_name, tf.constant(1).numpy())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    assert ran.stdout.strip() == "[b'ab'] m 1"


def test_a_service_has_the_methods_of_the_official_stub() -> None:
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    class Channel:
        def unary_unary(self, path: str, **_: object) -> str:
            return path

    assert vars(messages.PredictionServiceStub(Channel())) == vars(
        prediction_service_pb2_grpc.PredictionServiceStub(Channel())
    )
    assert vars(messages.ModelServiceStub(Channel())) == vars(model_service_pb2_grpc.ModelServiceStub(Channel()))
