"""Values to tensors and back: numpy's arrays where numpy is installed, nested lists of Python's values where it is not."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from charseq_client.messages import types_pb2
from charseq_client.tensors import (
    DATA_TYPES,
    Tensor,
    check_filled,
    flatten,
    nest,
    number_type,
    read_numbers,
    read_strings,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Value = Array | Sequence[Any] | Tensor | str | bytes | float
else:
    Array = Value = Any

_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)


def to_proto(name: str, value: Value) -> Any:
    """Makes the ``TensorProto`` of a value; see :func:`to_tensor`."""
    return to_tensor(name, value).to_proto()


def to_tensor(name: str, value: Value) -> Tensor:
    """Makes the tensor of a value.

    Args:
      name: Name of the input, for the error message.
      value: A numpy array, whose type is kept, or Python values as TensorFlow takes them: text and bytes become
        strings, whole numbers int32 (int64 if one does not fit), other numbers float32, truth values bool. Text goes as
        UTF-8; bytes pass unchanged, and so does what ``sys.argv`` holds as surrogate escapes.

    Raises:
      ValueError: there is no tensor of such values.
    """
    if isinstance(value, Tensor):
        return value
    numpy = sys.modules.get("numpy")  # values of it cannot be here unless somebody has imported it
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _tensor_of_array(name, value)
    flat: list[Any] = []
    shape = _flatten(name, value, flat, numpy)
    if any(isinstance(element, str | bytes) for element in flat):
        return _tensor_of_strings(name, flat, shape)
    if numpy is not None and any(isinstance(element, numpy.generic) for element in flat):
        return _tensor_of_array(name, _array_of_mixed(flat, numpy).reshape(shape))
    try:
        return Tensor.of(flat, _kind_of(flat), shape)
    except ValueError as error:
        raise ValueError(f"Input {name!r}: {error}") from None


def from_proto(proto: Any) -> Array:
    """Returns the values of a ``TensorProto``.

    Returns:
      A numpy array; strings come as an array of bytes objects. Without numpy nested lists, or the value of a scalar.

    Raises:
      ValueError: it is damaged, or of a type that numpy does not have.
    """
    shape = tuple(dimension.size for dimension in proto.tensor_shape.dim)
    numpy = _import_numpy()
    values: Array = _read_nested(proto, shape) if numpy is None else _read_array(proto, shape, numpy)
    return values


def _read_nested(proto: Any, shape: tuple[int, ...]) -> Any:
    read = read_strings if proto.dtype == types_pb2.DT_STRING else read_numbers
    return nest(read(proto, math.prod(shape)), shape)


def _read_array(proto: Any, shape: tuple[int, ...], numpy: Any) -> Any:
    count = math.prod(shape)
    if proto.dtype == types_pb2.DT_STRING:
        values = numpy.empty(count, dtype=object)
        values[:] = read_strings(proto, count)
        return values.reshape(shape)
    kind = number_type(proto)
    if proto.tensor_content:
        stored = numpy.frombuffer(proto.tensor_content, numpy.dtype(kind.name).newbyteorder("<"))
        return stored.astype(kind.name).reshape(shape)
    values = numpy.fromiter(getattr(proto, kind.field), kind.stored)
    # In the field a half stands as an integer, and a complex number as a pair.
    same_bits = kind.parts == 2 or kind.code == "e"
    values = values.view(kind.name) if same_bits else values.astype(kind.name)
    check_filled(len(values), count)
    return numpy.concatenate([values, numpy.repeat(values[-1:], count - len(values))]).reshape(shape)


def concatenate(parts: Sequence[Array]) -> Array:
    """Puts parts together at their first dimension."""
    if len(parts) == 1:
        return parts[0]
    numpy = _import_numpy()
    whole: Any = [row for part in parts for row in part] if numpy is None else numpy.concatenate(parts)
    return whole  # type: ignore[no-any-return]


def elements(values: Array) -> list[Any]:
    """Returns the elements of an array, or of nested lists, in row-major order as Python's values."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(values, numpy.ndarray):
        return values.ravel().tolist()  # type: ignore[no-any-return]
    return flatten(values)


def _import_numpy() -> Any:
    """Returns numpy, or None where it is not installed; only when it is needed, as its import takes 0.1 s."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _tensor_of_array(name: str, array: np.ndarray[Any, Any]) -> Tensor:
    if array.dtype.kind in "OSU":
        return _tensor_of_strings(name, array.ravel().tolist(), array.shape)
    dtype = DATA_TYPES.get(array.dtype.name)
    if dtype is None:
        raise ValueError(f"Input {name!r} has type {array.dtype}, which no tensor has; convert it first.")
    return Tensor(dtype, array.shape, array.astype(array.dtype.newbyteorder("<")).tobytes())


def _array_of_mixed(flat: list[Any], numpy: Any) -> Any:
    """Returns elements of which some are numpy's: with numpy's type if all are."""
    array = numpy.array(flat)
    if all(isinstance(element, numpy.generic) for element in flat):
        return array
    if array.dtype == numpy.float64:
        return array.astype(numpy.float32)
    if array.dtype == numpy.int64 and all(element in _INT32 for element in array.tolist()):
        return array.astype(numpy.int32)
    return array


def _tensor_of_strings(name: str, flat: list[Any], shape: tuple[int, ...]) -> Tensor:
    return Tensor(types_pb2.DT_STRING, shape, strings=tuple(_as_bytes(name, element) for element in flat))


def _kind_of(flat: list[Any]) -> str:
    """Returns the type that Python's numbers get."""
    kinds = {type(element) for element in flat}
    if not all(issubclass(kind, bool | int | float | complex) for kind in kinds):
        wrong = next(kind for kind in kinds if not issubclass(kind, bool | int | float | complex))
        raise ValueError(f"{wrong.__name__} is no type of a tensor; give text, bytes, numbers or truth values.")
    if kinds == {bool}:
        return "bool"
    if any(issubclass(kind, complex) for kind in kinds):
        return "complex128"
    if not kinds or any(issubclass(kind, float) for kind in kinds):
        return "float32"
    lowest, highest = min(flat), max(flat)
    for name, values in (("int32", _INT32), ("int64", _INT64), ("uint64", _UINT64)):
        if lowest in values and highest in values:
            return name
    raise ValueError(f"{lowest if lowest < 0 else highest} is too large for any type of a tensor.")


def _flatten(name: str, value: Any, flat: list[Any], numpy: Any) -> tuple[int, ...]:
    """Appends the elements of nested sequences to ``flat``; returns the shape."""
    if numpy is not None and isinstance(value, numpy.ndarray):
        flat.extend(value.ravel().tolist() if value.dtype.kind in "OSU" else value.ravel())
        return tuple(value.shape)
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        flat.append(value)
        return ()
    shapes = {_flatten(name, element, flat, numpy) for element in value}
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
