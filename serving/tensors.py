"""``tensorflow.TensorProto`` on the server's side: request to tensor, tensor to answer."""

import functools
import math
import struct
from collections.abc import Callable
from typing import Any, Protocol

from serving.errors import ServingError, invalid_argument
from serving.stubs import tensor_pb2, types_pb2
from serving.tensorflow_c_api import Tensor

# A TensorProto may name a shape of any size and give one value for all of it: a few bytes that make TensorFlow allocate
# terabytes. What a request did not pay for in bytes is refused beyond this many elements.
MAX_REPEATED_ELEMENTS = 1 << 24

_STRING_FIELD = 8  # string_val
# DataType: number of the field that TensorFlow Serving answers in, for types whose packed field is the tensor's bytes.
_PACKED_FIELDS: dict[int, int] = {
    types_pb2.DT_FLOAT: 5,  # float_val
    types_pb2.DT_DOUBLE: 6,  # double_val
    types_pb2.DT_COMPLEX64: 9,  # scomplex_val
    types_pb2.DT_COMPLEX128: 12,  # dcomplex_val
    types_pb2.DT_BOOL: 11,  # bool_val; a varint of 0 or 1 is the byte itself
}
# DataType: that field's name and the format of an element (of the struct module), for the others. Strings are neither.
_NUMBER_FIELDS: dict[int, tuple[str, str]] = {
    types_pb2.DT_INT32: ("int_val", "i"),
    types_pb2.DT_INT16: ("int_val", "h"),
    types_pb2.DT_INT8: ("int_val", "b"),
    types_pb2.DT_UINT16: ("int_val", "H"),
    types_pb2.DT_UINT8: ("int_val", "B"),
    types_pb2.DT_QINT32: ("int_val", "i"),
    types_pb2.DT_QINT16: ("int_val", "h"),
    types_pb2.DT_QINT8: ("int_val", "b"),
    types_pb2.DT_QUINT16: ("int_val", "H"),
    types_pb2.DT_QUINT8: ("int_val", "B"),
    types_pb2.DT_INT64: ("int64_val", "q"),
    types_pb2.DT_UINT32: ("uint32_val", "I"),
    types_pb2.DT_UINT64: ("uint64_val", "Q"),
    types_pb2.DT_HALF: ("half_val", "H"),
    types_pb2.DT_BFLOAT16: ("half_val", "H"),
}


class TensorLike(Protocol):
    """What can be encoded: a tensor, or some rows of one."""

    @property
    def dtype(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def data(self) -> memoryview: ...

    def strings(self) -> list[bytes]: ...


Encoder = Callable[[TensorLike, Any], None]


def tensor_from_proto(alias: str, proto: Any) -> Tensor:
    """Makes the tensor that a ``TensorProto`` describes.

    Args:
      alias: Name of the input, for the error message.
      proto: ``tensorflow.TensorProto``.

    Returns:
      The tensor, which the caller closes.

    Raises:
      ServingError: INVALID_ARGUMENT, it is no valid tensor.
    """
    elements = math.prod(dimension.size for dimension in proto.tensor_shape.dim)
    if elements > MAX_REPEATED_ELEMENTS and elements > proto.ByteSize():
        raise invalid_argument(f"tensor parsing error: {alias}")
    try:
        return Tensor.from_proto(proto.SerializeToString())
    except ServingError as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def encode_as_field(tensor: TensorLike, proto: Any) -> None:
    """Writes a tensor into a ``TensorProto`` the way TensorFlow Serving answers: one value per element.

    Args:
      tensor: The tensor.
      proto: An empty ``tensorflow.TensorProto``.

    Raises:
      ServingError: INVALID_ARGUMENT, the type has no values that could be sent (a resource, a variant).
    """
    # A message in its own wire format is taken over by one call, where to set its fields takes a call for each.
    dtype, header = tensor.dtype, _header(tensor.dtype, tensor.shape)
    if dtype == types_pb2.DT_STRING:
        proto.MergeFromString(header + b"".join(_field(_STRING_FIELD, value) for value in tensor.strings()))
        return
    _require_values(dtype)
    data = tensor.data()
    if not data:
        proto.MergeFromString(header)
    elif dtype in _PACKED_FIELDS:
        proto.MergeFromString(header + _field(_PACKED_FIELDS[dtype], data))
    else:
        proto.MergeFromString(header)
        field, element = _NUMBER_FIELDS[dtype]
        getattr(proto, field).extend(data.cast(element).tolist())  # type: ignore[call-overload]  # wants a literal


def encode_as_content(tensor: TensorLike, proto: Any) -> None:
    """Writes a tensor into a ``TensorProto`` as its bytes (``--enable_serialization_as_tensor_content``).

    Arguments and errors are those of :func:`encode_as_field`.
    """
    dtype = tensor.dtype
    proto.MergeFromString(_header(dtype, tensor.shape))
    if dtype == types_pb2.DT_STRING:
        strings = tensor.strings()
        # TensorFlow's own layout: all lengths as varints, then all bytes.
        proto.tensor_content = b"".join([*(_varint(len(value)) for value in strings), *strings])
        return
    _require_values(dtype)
    proto.tensor_content = bytes(tensor.data())


# DataType: field and size in bytes of an element, where a field holds one value for each.
_ELEMENTS: dict[int, tuple[str, int]] = {
    types_pb2.DT_FLOAT: ("float_val", 4),
    types_pb2.DT_DOUBLE: ("double_val", 8),
    types_pb2.DT_BOOL: ("bool_val", 1),
    types_pb2.DT_STRING: ("string_val", 0),
    **{dtype: (field, struct.calcsize(element)) for dtype, (field, element) in _NUMBER_FIELDS.items()},
}


def element_field(dtype: int) -> tuple[str, int] | None:
    """Returns the field of a ``TensorProto`` with one value per element, and an element's size in bytes.

    Strings have the size 0; types without such a field, None.
    """
    return _ELEMENTS.get(dtype)


def dtype_name(dtype: int) -> str:
    """Returns a ``DataType`` by name, for example ``DT_STRING``."""
    return str(types_pb2.DataType.Name(dtype)) if dtype in types_pb2.DataType.values() else f"DataType {dtype}"


@functools.lru_cache(1000)
def _header(dtype: int, shape: tuple[int, ...]) -> bytes:
    """Returns a serialized ``TensorProto`` of a type and a shape, without values."""
    proto = tensor_pb2.TensorProto(dtype=dtype)
    proto.tensor_shape.SetInParent()  # a scalar has a shape too, of no dimensions
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    return bytes(proto.SerializeToString())


def _field(number: int, data: bytes | memoryview) -> bytes:
    """Returns bytes as a field of a message, for numbers up to 15."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _require_values(dtype: int) -> None:
    if dtype not in _PACKED_FIELDS and dtype not in _NUMBER_FIELDS:
        raise invalid_argument(f"An output of type {dtype_name(dtype)} cannot be sent; export numbers or strings.")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
