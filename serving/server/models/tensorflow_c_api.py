"""TensorFlow's C API through ctypes: load a SavedModel, run its session.

The C API is TensorFlow's stable interface, in the shared libraries that the ``tensorflow`` wheel brings. Loading them
takes 0.4 s where ``import tensorflow`` takes 6 to 13, and a call releases the interpreter lock, so sessions run in
parallel. It is the same ``DirectSession`` that TensorFlow Serving runs, so results and error texts are the same.

Ownership: :class:`Tensor` and :class:`Session` own what they wrap and free it in ``close()``; everything else
(statuses, buffers, options) is freed within the call that made it.
"""

import ctypes
import functools
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Self

from charseq_client.messages import config_pb2
from serving.contract.errors import Code, ServingError
from serving.contract.plain_names import plain_name

logger = logging.getLogger(__name__)


class Output(ctypes.Structure):
    """``TF_Output``: one output of an operation of a graph."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class Buffer(ctypes.Structure):
    """``TF_Buffer``: bytes with a deallocator; ``deallocator`` is null for memory that Python owns."""

    _fields_ = (
        ("data", c_void_p),
        ("length", c_size_t),
        ("deallocator", CFUNCTYPE(None, c_void_p, c_size_t)),
    )


# name: (result, arguments). Handles (TF_Status*, TF_Tensor*, ...) are opaque pointers.
_FUNCTIONS: dict[str, tuple[type | None, tuple[object, ...]]] = {
    "TF_Version": (c_char_p, ()),
    "TF_NewStatus": (c_void_p, ()),
    "TF_DeleteStatus": (None, (c_void_p,)),
    "TF_GetCode": (c_int, (c_void_p,)),
    "TF_Message": (c_char_p, (c_void_p,)),
    "TF_NewBuffer": (POINTER(Buffer), ()),
    "TF_DeleteBuffer": (None, (POINTER(Buffer),)),
    "TF_NewGraph": (c_void_p, ()),
    "TF_DeleteGraph": (None, (c_void_p,)),
    "TF_GraphOperationByName": (c_void_p, (c_void_p, c_char_p)),
    "TF_OperationNumOutputs": (c_int, (c_void_p,)),
    "TF_NewSessionOptions": (c_void_p, ()),
    "TF_DeleteSessionOptions": (None, (c_void_p,)),
    "TF_SetConfig": (None, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        (c_void_p, c_void_p, c_char_p, POINTER(c_char_p), c_int, c_void_p, POINTER(Buffer), c_void_p),
    ),
    "TF_CloseSession": (None, (c_void_p, c_void_p)),
    "TF_DeleteSession": (None, (c_void_p, c_void_p)),
    "TF_SessionRun": (
        None,
        (
            *(c_void_p, POINTER(Buffer)),
            *(POINTER(Output), POINTER(c_void_p), c_int),
            *(POINTER(Output), POINTER(c_void_p), c_int),
            *(c_void_p, c_int, c_void_p, c_void_p),
        ),
    ),
    "TF_AllocateTensor": (c_void_p, (c_int, POINTER(c_int64), c_int, c_size_t)),
    "TF_DeleteTensor": (None, (c_void_p,)),
    "TF_TensorFromProto": (None, (POINTER(Buffer), c_void_p, c_void_p)),
    "TF_TensorType": (c_int, (c_void_p,)),
    "TF_NumDims": (c_int, (c_void_p,)),
    "TF_Dim": (c_int64, (c_void_p, c_int)),
    "TF_TensorByteSize": (c_size_t, (c_void_p,)),
    "TF_TensorElementCount": (c_int64, (c_void_p,)),
    "TF_TensorData": (c_void_p, (c_void_p,)),
    "TF_StringGetSize": (c_size_t, (c_void_p,)),
    "TF_StringGetDataPointer": (c_void_p, (c_void_p,)),
}

# What takes long enough to let other threads run meanwhile. The others keep the interpreter lock: to give it back and
# wait for it again costs a hundred times as much as they do, and a request makes dozens of such calls.
_RELEASE_LOCK = frozenset({"TF_LoadSessionFromSavedModel", "TF_CloseSession", "TF_DeleteSession", "TF_SessionRun"})

# Larger tensors than this are read without the interpreter lock.
_SMALL_BYTES = 1 << 16

# Where in the graph an operation failed, which TensorFlow appends to what it says: nothing that a client could act on.
_NODES = re.compile(r"\n\t ?\[\[.*?\]\](?=\n|$)|\A\{\{function_node [^{}]*\}\} ?", re.DOTALL)

_DT_FLOAT = 1
_STRING_BYTES = 24  # sizeof(TF_TString)


@functools.cache
def library() -> SimpleNamespace:
    """Loads TensorFlow's shared libraries, once for the process.

    Returns:
      Every function of :data:`_FUNCTIONS` by its name, and ``TF_TensorFromLargeProto``, which is TF_TensorFromProto
      without the interpreter lock.

    Raises:
      OSError: a library is missing from the installed wheel or does not load.
    """
    with _quiet():
        for part in ("framework", "cc"):  # the second needs the symbols of the first
            path = _library_path(part)
            try:
                loaded = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
            except OSError as error:
                message = f"TensorFlow's library {path} does not load ({error}); reinstall requirements.lock."
                raise OSError(message) from error
    holding = ctypes.PyDLL(path)
    functions = {}
    for name, (result, arguments) in _FUNCTIONS.items():
        functions[name] = getattr(loaded if name in _RELEASE_LOCK else holding, name)
        functions[name].restype = result
        functions[name].argtypes = arguments
    large = functions["TF_TensorFromLargeProto"] = loaded.TF_TensorFromProto
    large.restype, large.argtypes = None, functions["TF_TensorFromProto"].argtypes
    return SimpleNamespace(**functions)


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


def _library_path(part: str) -> str:
    pattern = "libtensorflow_{}.2.dylib" if sys.platform == "darwin" else "libtensorflow_{}.so.2"
    return str(tensorflow_folder() / pattern.format(part))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TensorFlow's chatter about drivers and CPU features off standard error while its libraries load.

    Whoever sets TF_CPP_MIN_LOG_LEVEL below 3 sees all of it. What matters comes back as a status, never only as a log line.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        yield
        return
    # The libraries log before they read any setting, to the file descriptor itself.
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def version() -> str:
    """Returns TensorFlow's version, for example ``2.21.0``."""
    return bytes(library().TF_Version()).decode()


@contextmanager
def _status() -> Iterator[c_void_p]:
    """Gives a ``TF_Status`` for a call; raises :class:`ServingError` if the call left an error in it."""
    lib = library()
    status = c_void_p(lib.TF_NewStatus())
    try:
        yield status
        _raise_if_error(status)
    finally:
        lib.TF_DeleteStatus(status)


def _raise_if_error(status: c_void_p) -> None:
    code = library().TF_GetCode(status)
    if code:
        message = _NODES.sub("", library().TF_Message(status).decode("utf-8", "surrogateescape"))
        # A code that gRPC does not have cannot come from absl; UNKNOWN is what gRPC itself would make of it.
        raise ServingError(Code(code) if code in Code._value2member_map_ else Code.UNKNOWN, message)


def _borrowed(data: bytes) -> Buffer:
    """Returns a ``TF_Buffer`` over Python's bytes, which the caller keeps alive during the call."""
    return Buffer(ctypes.cast(c_char_p(data), c_void_p), len(data))


def disable_xla() -> None:
    """Has operations that are to be compiled by XLA fail, in the whole process; there is no way back."""
    library()
    try:
        # No part of the C API. It is what TensorFlow Serving calls, and part of every build of the wheel.
        loaded = ctypes.CDLL(_library_path("cc"))
        loaded._ZN10tensorflow21DisableXlaCompilationEv()
    except AttributeError:
        logger.warning("XLA cannot be disabled in this build of TensorFlow: models that ask for it are compiled.")


class Tensor:
    """Owns one ``TF_Tensor``. Free it with :meth:`close`, or use it as a context manager."""

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle: int | None = handle

    @classmethod
    def from_proto(cls, serialized: bytes) -> Self:
        """Makes a tensor from a serialized ``tensorflow.TensorProto``.

        Raises:
          ServingError: INVALID_ARGUMENT, the bytes are not a valid tensor.
        """
        lib = library()
        # TF_TensorFromProto fills an existing tensor; what it was before does not matter.
        tensor = cls(lib.TF_AllocateTensor(_DT_FLOAT, None, 0, 4))
        try:
            with _status() as status:
                read = lib.TF_TensorFromProto if len(serialized) <= _SMALL_BYTES else lib.TF_TensorFromLargeProto
                read(byref(_borrowed(serialized)), tensor.handle, status)
        except ServingError:
            tensor.close()
            raise
        return tensor

    @property
    def dtype(self) -> int:
        """The ``tensorflow.DataType`` number."""
        return int(library().TF_TensorType(self.handle))

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions."""
        lib = library()
        return tuple(lib.TF_Dim(self.handle, index) for index in range(lib.TF_NumDims(self.handle)))

    def data(self) -> memoryview:
        """Returns the elements as bytes in row-major order; valid until :meth:`close`. Not for strings."""
        lib = library()
        size = lib.TF_TensorByteSize(self.handle)
        if not size:
            return memoryview(b"")
        return memoryview((c_char * size).from_address(lib.TF_TensorData(self.handle))).cast("B")

    def strings(self) -> list[bytes]:
        """Returns the elements of a string tensor in row-major order."""
        lib = library()
        count = lib.TF_TensorElementCount(self.handle)
        if not count:
            return []
        first = lib.TF_TensorData(self.handle)
        size, pointer, copy = lib.TF_StringGetSize, lib.TF_StringGetDataPointer, ctypes.string_at
        return [
            copy(pointer(address), size(address))
            for address in range(first, first + count * _STRING_BYTES, _STRING_BYTES)
        ]

    def close(self) -> None:
        """Frees the tensor; a second call does nothing."""
        if self.handle is not None:
            library().TF_DeleteTensor(self.handle)
            self.handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Session:
    """Owns a ``TF_Session`` made from a SavedModel, and its graph.

    Attributes:
      meta_graph: The serialized ``tensorflow.MetaGraphDef`` that was loaded.
    """

    def __init__(self, export_dir: str, tags: Sequence[str], config: bytes = b"") -> None:
        """Loads a SavedModel: its graph, variables, tables and assets.

        Args:
          export_dir: Folder with ``saved_model.pb``.
          tags: Tags of the meta graph to load, for example ``["serve"]``.
          config: Serialized ``tensorflow.ConfigProto``.

        Raises:
          ServingError: the model cannot be loaded; code and text are TensorFlow's own.
        """
        lib = library()
        encoded_tags = [tag.encode() for tag in tags]
        options = lib.TF_NewSessionOptions()
        graph = lib.TF_NewGraph()
        meta_graph = lib.TF_NewBuffer()
        session = None
        try:
            with _status() as status:
                if config:
                    lib.TF_SetConfig(options, config, len(config), status)
                    _raise_if_error(status)
                with plain_name(export_dir) as folder:
                    session = lib.TF_LoadSessionFromSavedModel(
                        options,
                        None,
                        os.fsencode(folder),
                        (c_char_p * len(encoded_tags))(*encoded_tags),
                        len(encoded_tags),
                        graph,
                        meta_graph,
                        status,
                    )
            self.meta_graph = ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
        except ServingError:
            lib.TF_DeleteGraph(graph)
            raise
        finally:
            lib.TF_DeleteBuffer(meta_graph)
            lib.TF_DeleteSessionOptions(options)
        self._session: int | None = session
        self._graph = graph

    def output(self, tensor_name: str) -> Output:
        """Finds a tensor of the graph by its name, ``operation:index``.

        Raises:
          ServingError: INVALID_ARGUMENT, the graph has no such tensor.
        """
        operation_name, _, index = tensor_name.partition(":")
        operation = library().TF_GraphOperationByName(self._graph, operation_name.encode())
        number = int(index) if index.isdigit() else 0
        if operation is None or number >= library().TF_OperationNumOutputs(operation):
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Tensor {tensor_name}, specified in a signature, was not found in the Graph"
            )
        return Output(operation, number)

    def run(
        self, inputs: "ctypes.Array[Output]", values: Sequence[Tensor], outputs: "ctypes.Array[Output]", timeout_ms: int
    ) -> list[Tensor]:
        """Runs the graph once. Safe from many threads at a time, as long as none of them closes the session.

        Args:
          inputs: Tensors to feed.
          values: Their values, one for each.
          outputs: Tensors to fetch.
          timeout_ms: Longest time for the run in milliseconds; 0 for no limit.

        Returns:
          A tensor for each of ``outputs``, which the caller closes.

        Raises:
          ServingError: what TensorFlow reports, for example INVALID_ARGUMENT for a wrong type or shape,
            DEADLINE_EXCEEDED if ``timeout_ms`` ran out.
        """
        fed = (c_void_p * len(values))(*[value.handle for value in values])
        fetched = (c_void_p * len(outputs))()
        run_options = config_pb2.RunOptions(timeout_in_ms=timeout_ms).SerializeToString() if timeout_ms > 0 else b""
        options = byref(_borrowed(run_options)) if run_options else None
        with _status() as status:
            library().TF_SessionRun(
                self._session,
                options,
                inputs,
                fed,
                len(values),
                outputs,
                fetched,
                len(outputs),
                None,
                0,
                None,
                status,
            )
        return [Tensor(handle) for handle in fetched if handle is not None]

    def close(self) -> None:
        """Frees the session, its variables and its graph. No run may be in progress; a second call does nothing."""
        if self._session is None:
            return
        lib = library()
        session, self._session = self._session, None
        # The session is deleted whatever these report: there is nobody left who could act on it.
        status = lib.TF_NewStatus()
        lib.TF_CloseSession(session, status)
        lib.TF_DeleteSession(session, status)
        lib.TF_DeleteStatus(status)
        lib.TF_DeleteGraph(self._graph)
