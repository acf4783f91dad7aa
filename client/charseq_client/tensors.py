"""A tensor as it travels: type, shape and bytes, without numpy.

The numbers of a tensor are little-endian, in row-major order, as ``TensorProto.tensor_content`` has them.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from charseq_client.messages import tensor_pb2, types_pb2


@dataclass(frozen=True)
class NumberType:
    """How the numbers of a type are stored.

    Attributes:
      name: numpy's name of the type.
      code: Its letter for ``array`` and ``struct``; that of one part, for complex numbers.
      field: The field of ``TensorProto`` that has one value per element.
      stored: numpy's name of the type of that field's values.
    """

    name: str
    code: str
    field: str
    stored: str

    @property
    def parts(self) -> int:
        """How many values of ``code`` make an element."""
        return 2 if self.name.startswith("complex") else 1

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return struct.calcsize(f"<{self.code}") * self.parts


NUMBER_TYPES: dict[int, NumberType] = {
    types_pb2.DT_FLOAT: NumberType("float32", "f", "float_val", "float32"),
    types_pb2.DT_DOUBLE: NumberType("float64", "d", "double_val", "float64"),
    types_pb2.DT_INT32: NumberType("int32", "i", "int_val", "int32"),
    types_pb2.DT_INT16: NumberType("int16", "h", "int_val", "int32"),
    types_pb2.DT_INT8: NumberType("int8", "b", "int_val", "int32"),
    types_pb2.DT_UINT16: NumberType("uint16", "H", "int_val", "int32"),
    types_pb2.DT_UINT8: NumberType("uint8", "B", "int_val", "int32"),
    types_pb2.DT_INT64: NumberType("int64", "q", "int64_val", "int64"),
    types_pb2.DT_UINT32: NumberType("uint32", "I", "uint32_val", "uint32"),
    types_pb2.DT_UINT64: NumberType("uint64", "Q", "uint64_val", "uint64"),
    types_pb2.DT_BOOL: NumberType("bool", "?", "bool_val", "bool"),
    types_pb2.DT_HALF: NumberType("float16", "e", "half_val", "uint16"),  # in the field as integers with the same bits
    types_pb2.DT_COMPLEX64: NumberType("complex64", "f", "scomplex_val", "float32"),
    types_pb2.DT_COMPLEX128: NumberType("complex128", "d", "dcomplex_val", "float64"),
}
DATA_TYPES = {kind.name: dtype for dtype, kind in NUMBER_TYPES.items()}

_ARRAY_CODES = frozenset("fdihbHBqIQ")


@dataclass(frozen=True)
class Tensor:
    """A tensor of numbers or of strings; an input that is given as one is sent with exactly this type.

    Attributes:
      dtype: A number of ``DataType``.
      shape: Its sizes; empty for a scalar.
      content: The bytes of the numbers.
      strings: The strings, instead of the numbers.
    """

    dtype: int
    shape: tuple[int, ...]
    content: bytes = b""
    strings: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any], kind: str, shape: tuple[int, ...] | None = None) -> Tensor:
        """Makes a tensor of Python numbers.

        Args:
          values: The numbers, in row-major order.
          kind: numpy's name of their type, such as ``int64``.
          shape: By default a vector.

        Raises:
          ValueError: a number does not fit.
        """
        number_type = NUMBER_TYPES[DATA_TYPES[kind]]
        try:
            content = _pack(number_type.code, _parts(values) if number_type.parts == 2 else values)
        except (OverflowError, struct.error, TypeError) as error:
            raise ValueError(f"these values do not fit the type {kind}: {error}") from None
        return cls(DATA_TYPES[kind], (len(values),) if shape is None else shape, content)

    def rows(self, start: int, stop: int) -> Tensor:
        """Returns some rows; rows are the first dimension."""
        stop = min(stop, self.shape[0])
        width = math.prod(self.shape[1:])
        if self.dtype == types_pb2.DT_STRING:
            part = self.strings[start * width : stop * width]
            return Tensor(self.dtype, (stop - start, *self.shape[1:]), strings=part)
        width *= NUMBER_TYPES[self.dtype].size
        return Tensor(self.dtype, (stop - start, *self.shape[1:]), self.content[start * width : stop * width])

    def to_proto(self) -> Any:
        """Returns the ``tensorflow.TensorProto``."""
        proto = tensor_pb2.TensorProto(dtype=self.dtype)
        proto.tensor_shape.SetInParent()
        for size in self.shape:
            proto.tensor_shape.dim.add().size = size
        if self.dtype == types_pb2.DT_STRING:
            proto.string_val.extend(self.strings)
        else:
            proto.tensor_content = self.content
        return proto


def read_strings(proto: Any, count: int) -> list[bytes]:
    """Returns the elements of a ``TensorProto`` of strings.

    Raises:
      ValueError: it is damaged.
    """
    return _repeat_last(_split(proto.tensor_content, count) if proto.tensor_content else list(proto.string_val), count)


def read_numbers(proto: Any, count: int) -> list[Any]:
    """Returns the elements of a ``TensorProto`` of numbers as Python's.

    Raises:
      ValueError: it is damaged, or of a type that is not known here.
    """
    kind = number_type(proto)
    if proto.tensor_content:
        values = _unpack(kind.code, proto.tensor_content)
    else:
        values = list(getattr(proto, kind.field))
        if kind.code == "e":
            values = _unpack("e", _pack("H", values))
    if kind.parts == 2:
        values = [complex(real, imaginary) for real, imaginary in zip(values[::2], values[1::2], strict=True)]
    return _repeat_last(values, count)


def number_type(proto: Any) -> NumberType:
    """Returns the type of a ``TensorProto`` of numbers.

    Raises:
      ValueError: it is not known here.
    """
    try:
        return NUMBER_TYPES[proto.dtype]
    except KeyError:
        raise ValueError(f"An output of data type {proto.dtype} has no numpy equivalent.") from None


def nest(values: Sequence[Any], shape: Sequence[int]) -> Any:
    """Returns values in row-major order as nested lists; as the value itself for a scalar."""
    if not shape:
        return values[0]
    if len(shape) == 1:
        return list(values)
    width = math.prod(shape[1:])
    return [nest(values[row * width : (row + 1) * width], shape[1:]) for row in range(shape[0])]


def flatten(nested: Any) -> list[Any]:
    """Returns the elements of nested lists."""
    if not isinstance(nested, list):
        return [nested]
    return [element for part in nested for element in flatten(part)]


def check_filled(found: int, count: int) -> None:
    """Checks that so many values can be a tensor of so many elements, of which the last values may be left out.

    Raises:
      ValueError: they cannot.
    """
    if found != count and not 0 < found < count:
        raise ValueError(f"A tensor of {count} elements came with {found} values.")


def _repeat_last(values: list[Any], count: int) -> list[Any]:
    """Repeats the last value, which is how a ``TensorProto`` abbreviates."""
    check_filled(len(values), count)
    return values + values[-1:] * (count - len(values))


def _parts(values: Iterable[Any]) -> list[float]:
    return [part for value in values for part in (complex(value).real, complex(value).imag)]


def _pack(code: str, values: Sequence[Any]) -> bytes:
    if code not in _ARRAY_CODES:
        return struct.pack(f"<{len(values)}{code}", *values)
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _unpack(code: str, content: bytes) -> list[Any]:
    if code not in _ARRAY_CODES:
        return list(struct.unpack(f"<{len(content) // struct.calcsize('<' + code)}{code}", content))
    unpacked = array(code)
    unpacked.frombytes(content)
    if sys.byteorder == "big":
        unpacked.byteswap()
    return unpacked.tolist()


def _split(content: bytes, count: int) -> list[bytes]:
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
