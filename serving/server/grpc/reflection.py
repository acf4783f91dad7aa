"""Server reflection: a client without any ``.proto`` file, such as grpcurl, asks what there is and how to call it."""

from typing import Any

import grpc
from google.protobuf import descriptor_pb2, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2

from charseq_client.messages import MODEL_SERVICE, PREDICTION_SERVICE, make_pool

_V1_SERVICE = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: Any) -> None:
    """Has a ``grpc.aio.Server`` answer the reflection protocol, for the services of TensorFlow Serving."""
    pool = make_pool()
    pool.AddSerializedFile(reflection_pb2.DESCRIPTOR.serialized_pb)
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
