"""Server reflection: a client without any ``.proto`` file, such as grpcurl, asks what there is and how to call it."""

from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2

from serving.contract.stubs import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

_V1_SERVICE = "grpc.reflection.v1.ServerReflection"

# Method to the module with its request and response, and the prefix of their names. The generated modules with the
# services themselves do not load with a protobuf of today, so their descriptors are put together here.
_METHODS: dict[str, dict[str, tuple[Any, str]]] = {
    PREDICTION_SERVICE: {
        "Classify": (classification_pb2, "Classification"),
        "Regress": (regression_pb2, "Regression"),
        "Predict": (predict_pb2, "Predict"),
        "MultiInference": (inference_pb2, "MultiInference"),
        "GetModelMetadata": (get_model_metadata_pb2, "GetModelMetadata"),
    },
    MODEL_SERVICE: {
        "GetModelStatus": (get_model_status_pb2, "GetModelStatus"),
        "HandleReloadConfigRequest": (model_management_pb2, "ReloadConfig"),
    },
}
_FILES = {
    PREDICTION_SERVICE: "tensorflow_serving/apis/prediction_service.proto",
    MODEL_SERVICE: "tensorflow_serving/apis/model_service.proto",
}


def add_reflection(server: Any) -> None:
    """Has a ``grpc.aio.Server`` answer the reflection protocol, for the services of TensorFlow Serving."""
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    _add_with_dependencies(pool, reflection_pb2.DESCRIPTOR, added)
    for service, methods in _METHODS.items():
        package, _, name = service.rpartition(".")
        file = descriptor_pb2.FileDescriptorProto(name=_FILES[service], package=package, syntax="proto3")
        definition = file.service.add(name=name)
        for method, (module, prefix) in methods.items():
            _add_with_dependencies(pool, module.DESCRIPTOR, added)
            file.dependency.append(module.DESCRIPTOR.name)
            types = {"input_type": f".{package}.{prefix}Request", "output_type": f".{package}.{prefix}Response"}
            definition.method.add(name=method, **types)
        pool.AddSerializedFile(file.SerializeToString())
    pool.AddSerializedFile(_renamed(reflection_pb2.DESCRIPTOR))
    names = (PREDICTION_SERVICE, MODEL_SERVICE, reflection.SERVICE_NAME, _V1_SERVICE)
    reflection.enable_server_reflection(names, server, pool)
    # The newer name of the same protocol, which newer clients try first and grpcio-reflection does not have.
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(names, pool).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_V1_SERVICE, handlers),))


def _renamed(file: Any) -> bytes:
    """Returns the descriptor of v1alpha's file as that of v1: the messages are the same."""
    text = text_format.MessageToString(descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb))
    renamed = text.replace("v1alpha", "v1")
    return bytes(text_format.Parse(renamed, descriptor_pb2.FileDescriptorProto()).SerializeToString())


def _add_with_dependencies(pool: Any, file: Any, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add_with_dependencies(pool, dependency, added)
    pool.AddSerializedFile(file.serialized_pb)
