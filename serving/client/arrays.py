"""``tensorflow.TensorProto`` on the client's side: from and to numpy arrays, without TensorFlow."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.contract.stubs import tensor_pb2, types_pb2

Array = npt.NDArray[Any]
Value = Array | Sequence[Any] | str | bytes | float

# DataType: (numpy type of its bytes, field with one value per element, numpy type of that field's values)
_TYPES: dict[int, tuple[str, str, str]] = {
    types_pb2.DT_FLOAT: ("float32", "float_val", "float32"),
    types_pb2.DT_DOUBLE: ("float64", "double_val", "float64"),
    types_pb2.DT_INT32: ("int32", "int_val", "int32"),
    types_pb2.DT_INT16: ("int16", "int_val", "int32"),
    types_pb2.DT_INT8: ("int8", "int_val", "int32"),
    types_pb2.DT_UINT16: ("uint16", "int_val", "int32"),
    types_pb2.DT_UINT8: ("uint8", "int_val", "int32"),
    types_pb2.DT_INT64: ("int64", "int64_val", "int64"),
    types_pb2.DT_UINT32: ("uint32", "uint32_val", "uint32"),
    types_pb2.DT_UINT64: ("uint64", "uint64_val", "uint64"),
    types_pb2.DT_BOOL: ("bool", "bool_val", "bool"),
    types_pb2.DT_HALF: ("float16", "half_val", "uint16"),
    types_pb2.DT_COMPLEX64: ("complex64", "scomplex_val", "float32"),
    types_pb2.DT_COMPLEX128: ("complex128", "dcomplex_val", "float64"),
}
_STORED_AS_BITS = {"float16", "complex64", "complex128"}  # halves as integers, complex numbers as pairs
_DATA_TYPES = {np.dtype(name): dtype for dtype, (name, _, _) in _TYPES.items()}
_INT32 = np.iinfo(np.int32)


def to_proto(name: str, value: Value) -> Any:
    """Makes the ``TensorProto`` of a value.

    Args:
      name: Name of the input, for the error message.
      value: A numpy array, whose type is kept, or Python values as TensorFlow takes them: text and bytes become
        strings, whole numbers int32 (int64 if one does not fit), other numbers float32, truth values bool. Text goes as
        UTF-8; bytes pass unchanged, and so does what ``sys.argv`` holds as surrogate escapes.

    Returns:
      The ``tensorflow.TensorProto``.

    Raises:
      ValueError: there is no tensor of such values.
    """
    array = as_array(name, value)
    proto = tensor_pb2.TensorProto()
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if array.dtype.kind in "OSU":
        proto.dtype = types_pb2.DT_STRING
        proto.string_val.extend(_as_bytes(name, element) for element in array.ravel().tolist())
        return proto
    try:
        proto.dtype = _DATA_TYPES[array.dtype.newbyteorder("=")]
    except KeyError:
        raise ValueError(f"Input {name!r} has type {array.dtype}, which no tensor has; convert it first.") from None
    proto.tensor_content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return proto


def from_proto(proto: Any) -> Array:
    """Returns the numpy array of a ``TensorProto``; strings come as an array of bytes objects.

    Raises:
      ValueError: it is damaged, or of a type that numpy does not have.
    """
    shape = tuple(dimension.size for dimension in proto.tensor_shape.dim)
    count = math.prod(shape)
    if proto.dtype == types_pb2.DT_STRING:
        strings = _strings_of_content(proto.tensor_content, count) if proto.tensor_content else list(proto.string_val)
        return _fill(_object_array(strings), count).reshape(shape)
    try:
        name, field, stored = _TYPES[proto.dtype]
    except KeyError:
        raise ValueError(f"An output of data type {proto.dtype} has no numpy equivalent.") from None
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, np.dtype(name).newbyteorder("<")).astype(name).reshape(shape)
    values = np.fromiter(getattr(proto, field), stored)
    return _fill(values.view(name) if name in _STORED_AS_BITS else values.astype(name), count).reshape(shape)


def as_array(name: str, value: Value) -> Array:
    """Returns a value as an array, of the type that :func:`to_proto` says; strings as an array of objects.

    Raises:
      ValueError: it is ragged.
    """
    if isinstance(value, np.ndarray):
        return value
    flat: list[Any] = []
    shape = _flatten(name, value, flat)
    if any(isinstance(element, str | bytes) for element in flat):
        # Not through numpy's own string types, which cut trailing zero bytes.
        return _object_array(flat).reshape(shape)
    array: Array = np.array(flat)
    if all(isinstance(element, np.generic) for element in flat) and flat:
        return array.reshape(shape)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype == np.int64 and not (array.size and (array.min() < _INT32.min or array.max() > _INT32.max)):
        array = array.astype(np.int32)
    return array.reshape(shape)


def _object_array(elements: list[Any]) -> Array:
    """Returns a one-dimensional array of the objects themselves, which ``np.array`` would look into."""
    array: Array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _flatten(name: str, value: Any, flat: list[Any]) -> tuple[int, ...]:
    """Appends the elements of nested sequences to ``flat``; returns the shape."""
    if isinstance(value, np.ndarray):
        flat.extend(value.ravel().tolist() if value.dtype.kind in "OSU" else value.ravel())
        return tuple(value.shape)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        flat.append(value)
        return ()
    shapes = {_flatten(name, element, flat) for element in value}
    if len(shapes) > 1:
        raise ValueError(f"Input {name!r} is ragged: its rows differ in length; pad them.")
    return (len(value), *(shapes.pop() if shapes else ()))


def _as_bytes(name: str, element: Any) -> bytes:
    if isinstance(element, bytes):
        return element
    if isinstance(element, str):
        try:
            return element.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise ValueError(f"Input {name!r} holds text that has no UTF-8 form: {error}.") from error
    raise ValueError(f"Input {name!r} mixes strings with {type(element).__name__}; give all of them as text or bytes.")


def _strings_of_content(content: bytes, count: int) -> list[bytes]:
    """Splits TensorFlow's layout of strings: all lengths as varints, then all bytes."""
    lengths, position = [], 0
    for _ in range(count):
        length = shift = 0
        while content[position] & 0x80:
            length |= (content[position] & 0x7F) << shift
            shift, position = shift + 7, position + 1
        lengths.append(length | content[position] << shift)
        position += 1
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings


def _fill(values: Array, count: int) -> Array:
    """Repeats the last value, which is how a ``TensorProto`` abbreviates."""
    if len(values) == count:
        return values
    if not 0 < len(values) < count:
        raise ValueError(f"A tensor of {count} elements came with {len(values)} values.")
    return np.concatenate([values, np.repeat(values[-1:], count - len(values))])
