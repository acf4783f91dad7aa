"""The official message classes and gRPC stubs, loaded without importing TensorFlow.

``tensorflow_serving.apis`` imports ``tensorflow.core.framework``, and with it ``tensorflow/__init__.py``: 6 to 13
seconds and 400 MB for what are plain protocol buffer definitions. While the stubs load, an empty package stands in for
``tensorflow`` whose ``__path__`` is the installed folder, so that the generated modules below it are found and nothing
else is executed. Afterwards every trace of it leaves ``sys.modules``: a later ``import tensorflow`` in the same process
is the real one, and its message classes are the same objects (protobuf keeps one class per descriptor).
"""

import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_IMPORT_LOCK = threading.Lock()


def tensorflow_folder() -> Path:
    """Returns the folder of the installed ``tensorflow`` package, without importing it.

    Raises:
      ModuleNotFoundError: TensorFlow is not installed.
    """
    imported = sys.modules.get("tensorflow")
    if imported is not None and imported.__spec__ is not None:
        locations = imported.__spec__.submodule_search_locations
    else:
        spec = importlib.util.find_spec("tensorflow")
        locations = spec.submodule_search_locations if spec else None
    if not locations:
        raise ModuleNotFoundError("TensorFlow is not installed here; install the project's requirements.lock.")
    return Path(next(iter(locations)))


@contextmanager
def _stand_in_for_tensorflow() -> Iterator[None]:
    """Makes ``tensorflow.core...`` importable without its ``__init__``; does nothing where TensorFlow is imported."""
    with _IMPORT_LOCK:
        if "tensorflow" in sys.modules:
            yield
            return
        stand_in = types.ModuleType("tensorflow")
        stand_in.__path__ = [str(tensorflow_folder())]
        sys.modules["tensorflow"] = stand_in
        try:
            yield
        finally:
            for name in [name for name in sys.modules if name == "tensorflow" or name.startswith("tensorflow.")]:
                del sys.modules[name]


def _load(*names: str) -> list[Any]:
    """Imports the named modules. Typed ``Any``: the generated code carries no annotations."""
    with _stand_in_for_tensorflow():
        return [importlib.import_module(name) for name in names]


(
    example_pb2,
    tensor_pb2,
    types_pb2,
    meta_graph_pb2,
    config_pb2,
    rewriter_config_pb2,
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    model_service_pb2_grpc,
    model_server_config_pb2,
) = _load(
    "tensorflow.core.example.example_pb2",
    "tensorflow.core.framework.tensor_pb2",
    "tensorflow.core.framework.types_pb2",
    "tensorflow.core.protobuf.meta_graph_pb2",
    "tensorflow.core.protobuf.config_pb2",
    "tensorflow.core.protobuf.rewriter_config_pb2",
    "tensorflow_serving.apis.classification_pb2",
    "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow_serving.apis.inference_pb2",
    "tensorflow_serving.apis.input_pb2",
    "tensorflow_serving.apis.model_pb2",
    "tensorflow_serving.apis.model_management_pb2",
    "tensorflow_serving.apis.predict_pb2",
    "tensorflow_serving.apis.regression_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.apis.prediction_service_pb2_grpc",
    "tensorflow_serving.apis.model_service_pb2_grpc",
    "tensorflow_serving.config.model_server_config_pb2",
)
