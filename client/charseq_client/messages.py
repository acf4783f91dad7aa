"""The messages and services of TensorFlow Serving, without TensorFlow.

They are made from ``messages.binpb``, the descriptors of the public ``.proto`` files (see NOTICE), in a descriptor pool of
their own. TensorFlow of any version may be imported in the same process, before or after: its classes are other ones.

Each name that ends in ``_pb2`` stands for a ``.proto`` file, and has its messages and the values of its enums as attributes.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

# The signature of a request that names none.
DEFAULT_SIGNATURE = "serving_default"


def make_pool() -> Any:
    """Returns a new descriptor pool with the files, and those of protobuf that they import."""
    pool = descriptor_pool.DescriptorPool()
    for module in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    content = Path(__file__).with_name("messages.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


# The descriptors; typed Any as are the classes, which carry no annotations.
_POOL: Any = make_pool()


def _module(file: str) -> Any:
    """Returns the messages and the enum values of a ``.proto`` file by their names."""
    descriptor = _POOL.FindFileByName(file)
    names: dict[str, Any] = {"DESCRIPTOR": descriptor}
    for name, message in descriptor.message_types_by_name.items():
        names[name] = message_factory.GetMessageClass(message)
    for name, enum in descriptor.enum_types_by_name.items():
        names[name] = EnumTypeWrapper(enum)
        names.update((value.name, value.number) for value in enum.values)
    return SimpleNamespace(**names)


def _methods(service: str) -> list[tuple[str, Any, Any]]:
    """Returns name, class of the request and class of the response of each method of a service."""
    return [
        (
            method.name,
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )
        for method in _POOL.FindServiceByName(service).methods
    ]


def _stub(service: str) -> type:
    def connect(self: Any, channel: Any) -> None:
        for name, request, response in _methods(service):
            call = channel.unary_unary(
                f"/{service}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            setattr(self, name, call)

    doc = f"Calls ``{service}``: a method for each of the service's, over a ``grpc.Channel`` or a ``grpc.aio.Channel``."
    return type(f"{service.rpartition('.')[2]}Stub", (), {"__init__": connect, "__doc__": doc})


example_pb2 = _module("tensorflow/core/example/example.proto")
tensor_pb2 = _module("tensorflow/core/framework/tensor.proto")
types_pb2 = _module("tensorflow/core/framework/types.proto")
meta_graph_pb2 = _module("tensorflow/core/protobuf/meta_graph.proto")
config_pb2 = _module("tensorflow/core/protobuf/config.proto")
rewriter_config_pb2 = _module("tensorflow/core/protobuf/rewriter_config.proto")
classification_pb2 = _module("tensorflow_serving/apis/classification.proto")
get_model_metadata_pb2 = _module("tensorflow_serving/apis/get_model_metadata.proto")
get_model_status_pb2 = _module("tensorflow_serving/apis/get_model_status.proto")
inference_pb2 = _module("tensorflow_serving/apis/inference.proto")
input_pb2 = _module("tensorflow_serving/apis/input.proto")
model_pb2 = _module("tensorflow_serving/apis/model.proto")
model_management_pb2 = _module("tensorflow_serving/apis/model_management.proto")
predict_pb2 = _module("tensorflow_serving/apis/predict.proto")
regression_pb2 = _module("tensorflow_serving/apis/regression.proto")
prediction_log_pb2 = _module("tensorflow_serving/apis/prediction_log.proto")
model_server_config_pb2 = _module("tensorflow_serving/config/model_server_config.proto")

PredictionServiceStub: Any = _stub(PREDICTION_SERVICE)
ModelServiceStub: Any = _stub(MODEL_SERVICE)
