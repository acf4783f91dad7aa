"""Server reflection, as grpcurl uses it: a client without any .proto file finds and calls a method."""

from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.serving.conftest import Push
from tests.serving.processes import running_server


def test_a_client_without_proto_files(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    with (
        running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}") as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) >= {
            "tensorflow.serving.PredictionService",
            "tensorflow.serving.ModelService",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        pool = descriptor_pool.DescriptorPool(database)
        service = pool.FindServiceByName("tensorflow.serving.PredictionService")
        assert {m.name for m in service.methods} >= {"Predict", "Classify", "Regress", "MultiInference"}
        method = service.FindMethodByName("Predict")
        request = message_factory.GetMessageClass(method.input_type)()
        request.model_spec.name = "shout"
        request.inputs["text"].dtype = 7
        request.inputs["text"].tensor_shape.dim.add().size = 1
        request.inputs["text"].string_val.append(b"ab")
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )

        assert call(request, timeout=10).outputs["text"].string_val == [b"1:ab:AB"]
