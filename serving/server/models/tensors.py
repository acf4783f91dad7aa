"""``tensorflow.TensorProto`` on the server's side: request to tensor, tensor to answer."""

import functools
import math
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from charseq_client.messages import tensor_pb2, types_pb2
from serving.contract.errors import ServingError, invalid_argument
from serving.contract.varints import encode_varint
from serving.server.models.tensorflow_c_api import Tensor

# A TensorProto may name a shape of any size and give one value for all of it: a few bytes that make TensorFlow allocate
# terabytes. What a request did not pay for in bytes is refused beyond this many elements.
MAX_REPEATED_ELEMENTS = 1 << 24

_CONTENT_FIELD, _STRING_FIELD = 4, 8  # tensor_content, string_val
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


class Values(NamedTuple):
    """A tensor's elements in row-major order: bytes, or a list of them for strings."""

    dtype: int
    shape: tuple[int, ...]
    elements: Any


# Writes an output as a field of a serialized ``PredictResponse``, by its alias: joining bytes costs a fraction of what filling
# a message does. Raises ServingError, INVALID_ARGUMENT, if the type has no values that could be sent (a resource, a variant).
Encoder = Callable[[str, Values], bytes]


def check_paid_for(alias: str, proto: Any) -> None:
    """Refuses a ``TensorProto`` whose shape is much larger than the values that came with it.

    Raises:
      ServingError: INVALID_ARGUMENT.
    """
    elements = math.prod(dimension.size for dimension in proto.tensor_shape.dim)
    if elements > MAX_REPEATED_ELEMENTS and elements > proto.ByteSize():
        raise invalid_argument(f"tensor parsing error: {alias}")


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
    check_paid_for(alias, proto)
    try:
        return Tensor.from_proto(proto.SerializeToString())
    except ServingError as error:
        raise invalid_argument(f"tensor parsing error: {alias}") from error


def tensor_values(tensor: Tensor) -> Values:
    """Returns the values of a tensor, which are valid until it is closed."""
    dtype = tensor.dtype
    return Values(dtype, tensor.shape, tensor.strings() if dtype == types_pb2.DT_STRING else tensor.data())


def encode_as_field(alias: str, values: Values) -> bytes:
    """The :data:`Encoder` that writes one value per element, as TensorFlow Serving answers."""
    dtype, shape, elements = values
    if dtype == types_pb2.DT_STRING:
        if len(elements) == 1:
            return _before_elements(alias, dtype, shape, _STRING_FIELD, len(elements[0])) + bytes(elements[0])
        return _output(alias, dtype, shape, b"".join([_field(_STRING_FIELD, element) for element in elements]))
    _require_values(dtype)
    if not elements:
        return _output(alias, dtype, shape, b"")
    if dtype in _PACKED_FIELDS:
        return _before_elements(alias, dtype, shape, _PACKED_FIELDS[dtype], len(elements)) + bytes(elements)
    field, element = _NUMBER_FIELDS[dtype]
    numbers = memoryview(elements).cast(element).tolist()  # type: ignore[call-overload]  # wants a literal
    return _output(alias, dtype, shape, tensor_pb2.TensorProto(**{field: numbers}).SerializeToString())


def encode_as_content(alias: str, values: Values) -> bytes:
    """The :data:`Encoder` that writes a tensor as its bytes (``--enable_serialization_as_tensor_content``)."""
    dtype, shape, elements = values
    if dtype == types_pb2.DT_STRING:
        # TensorFlow's own layout: all lengths as varints, then all bytes.
        elements = b"".join([*(encode_varint(len(element)) for element in elements), *elements])
    else:
        _require_values(dtype)
    return _before_elements(alias, dtype, shape, _CONTENT_FIELD, len(elements)) + bytes(elements)


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


def _output(alias: str, dtype: int, shape: tuple[int, ...], fields: bytes) -> bytes:
    """Returns an output as a field of a serialized ``PredictResponse``, from the fields of its ``TensorProto``."""
    return _field(1, _field(1, alias.encode()) + _field(2, _header(dtype, shape) + fields))


@functools.lru_cache(1000)
def _before_elements(alias: str, dtype: int, shape: tuple[int, ...], number: int, size: int) -> bytes:
    """Returns what comes before the elements in an output, if they are one field of its ``TensorProto``."""
    header = _header(dtype, shape) + _before_field(number, size)
    entry = _field(1, alias.encode()) + _before_field(2, len(header) + size) + header
    return _before_field(1, len(entry) + size) + entry


def _field(number: int, data: bytes) -> bytes:
    return _before_field(number, len(data)) + data


def _before_field(number: int, size: int) -> bytes:
    """Returns what comes before the bytes of a message's field, for numbers up to 15."""
    return bytes((number << 3 | 2,)) + encode_varint(size)


def _require_values(dtype: int) -> None:
    if dtype not in _PACKED_FIELDS and dtype not in _NUMBER_FIELDS:
        raise invalid_argument(f"An output of type {dtype_name(dtype)} cannot be sent; export numbers or strings.")
