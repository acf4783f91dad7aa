"""Server reflection, as grpcurl uses it: a client without any .proto file finds and calls a method."""

from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.serving.conftest import Push
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


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
            "grpc.reflection.v1.ServerReflection",
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

        assert call(request, timeout=120).outputs["text"].string_val == [b"1:ab:AB"]


def test_the_newer_name_of_the_protocol(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, f"--serving_dir={tmp_path}") as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        ask = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        symbol = "grpc.reflection.v1.ServerReflection"
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol),
        ]
        services, files = ask(iter(requests), timeout=120)

        assert "tensorflow.serving.ModelService" in {s.name for s in services.list_services_response.service}
        (serialized,) = files.file_descriptor_response.file_descriptor_proto
        file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
        assert (file.package, file.service[0].name) == ("grpc.reflection.v1", "ServerReflection")
        assert file.service[0].method[0].input_type == ".grpc.reflection.v1.ServerReflectionRequest"
