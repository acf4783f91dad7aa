"""Writes ``charseq_client/messages.binpb``: the public messages and services of TensorFlow Serving, as descriptors.

The files are those that the packages ``tensorflow-serving-api`` and ``tensorflow`` were generated from. Run it where charseq is
installed: ``python client/generate_messages.py``. A test holds the file to what is installed.
"""

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2

TARGET = Path(__file__).with_name("charseq_client") / "messages.binpb"

# The last two hold the services. As modules they do not load with a protobuf of today, so they are read as text.
_MODULES = (
    "tensorflow.core.protobuf.config_pb2",
    "tensorflow.core.protobuf.meta_graph_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow_serving.apis.model_management_pb2",
)
_SERVICES = ("tensorflow_serving.apis.prediction_service_pb2", "tensorflow_serving.apis.model_service_pb2")

# protobuf itself brings these.
_OF_PROTOBUF = "google/protobuf/"


def serialized_messages() -> bytes:
    """Returns a serialized ``FileDescriptorSet``, in which a file comes after those that it imports."""
    files: dict[str, bytes] = {}
    for module in _MODULES:
        _add(importlib.import_module(module).DESCRIPTOR, files)
    for module in _SERVICES:
        serialized = _descriptor_in(module)
        file = descriptor_pb2.FileDescriptorProto.FromString(serialized)
        for dependency in file.dependency:
            if dependency not in files:
                name = dependency.removesuffix(".proto").replace("/", ".") + "_pb2"
                _add(importlib.import_module(name).DESCRIPTOR, files)
        files[file.name] = serialized
    return descriptor_pb2.FileDescriptorSet(
        file=[descriptor_pb2.FileDescriptorProto.FromString(serialized) for serialized in files.values()]
    ).SerializeToString(deterministic=True)


def _add(file: Any, files: dict[str, bytes]) -> None:
    if file.name.startswith(_OF_PROTOBUF) or file.name in files:
        return
    for dependency in file.dependencies:
        _add(dependency, files)
    files[file.name] = file.serialized_pb


def _descriptor_in(module: str) -> bytes:
    """Returns the serialized descriptor that stands in the source of a generated module: ``serialized_pb=_b('...')``."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} is not installed; install tensorflow-serving-api.")
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb" and isinstance(node.value, ast.Call):
            argument = node.value.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                return argument.value.encode("latin1")
    raise ValueError(f"{spec.origin} has no serialized descriptor of the known form.")


if __name__ == "__main__":
    content = serialized_messages()
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content)} bytes")
