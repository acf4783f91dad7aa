"""JSON as TensorFlow Serving's REST API reads and writes it: parsing, tensors in, tensors out.

Error texts are those of the real server. Numbers are written as it writes them: the shortest of six digits or full
precision that reads back as the same value, ``NaN`` and ``Infinity`` as those words, 64-bit integers as plain numbers.
"""

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

from charseq_client.messages import types_pb2
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.server.models.tensors import dtype_name

# TensorFlow's own limit on the dimensions of a tensor; JSON nested deeper cannot be one.
MAX_DEPTH = 254

# Each of them takes 70 bytes and more in memory, for two bytes of the document.
_MOST_CONTAINERS = 2_000_000

_DEBUG_BYTES = 256
_BASE64_KEY = "b64"
_BYTES_SUFFIX = "_bytes"

# What the real server's JSON library says, by what Python's says.
_PARSE_ERRORS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or bracket after an element or member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}

# An exponent of three digits, or as many digits in a row as no double has.
_MAY_BE_TOO_BIG = re.compile(r"[eE]\+?\d{3}|\d{309}")

# Names of numbers that TensorFlow Serving takes and Python does not; strings are passed over.
_NAMES = {"Inf": "Infinity", "-Inf": "-Infinity", "-NaN": "NaN"}
_STRINGS_AND_NAMES = re.compile(r'"(?:[^"\\]|\\.)*"|-?Inf\b|-NaN\b', re.DOTALL)

# DataType: field of the TensorProto, smallest and largest integer (None for what is no integer).
_FIELDS: dict[int, tuple[str, tuple[int, int] | None]] = {
    types_pb2.DT_FLOAT: ("float_val", None),
    types_pb2.DT_DOUBLE: ("double_val", None),
    types_pb2.DT_STRING: ("string_val", None),
    types_pb2.DT_BOOL: ("bool_val", None),
    types_pb2.DT_INT32: ("int_val", (-(2**31), 2**31 - 1)),
    types_pb2.DT_INT16: ("int_val", (-(2**31), 2**31 - 1)),
    types_pb2.DT_INT8: ("int_val", (-(2**31), 2**31 - 1)),
    types_pb2.DT_UINT8: ("int_val", (-(2**31), 2**31 - 1)),
    types_pb2.DT_INT64: ("int64_val", (-(2**63), 2**63 - 1)),
    types_pb2.DT_UINT32: ("uint32_val", (0, 2**32 - 1)),
    types_pb2.DT_UINT64: ("uint64_val", (0, 2**64 - 1)),
}
_FLOATS = {types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE}


def parse_object(body: bytes) -> dict[str, Any]:
    """Parses a request body, which must be a JSON object; what follows it is ignored, as in the real server.

    Raises:
      ServingError: INVALID_ARGUMENT, it is no JSON, no object, or nested too deeply.
    """
    # Bytes that are no UTF-8 pass through strings unchanged, as they do in the real server.
    text = body.decode("utf-8", "surrogateescape").lstrip(" \t\r\n\ufeff")
    if not text:
        raise invalid_argument("JSON Parse error: The document is empty")
    if len(text) > _MOST_CONTAINERS and text.count("[") + text.count("{") > _MOST_CONTAINERS:
        raise invalid_argument(
            f"The JSON has more than {_MOST_CONTAINERS} lists and objects; send fewer rows at a time, or send them by gRPC."
        )
    # Looked for before, since Python calls a function of ours for every single number otherwise.
    check = _MAY_BE_TOO_BIG.search(text) is not None
    decoder = json.JSONDecoder(
        object_pairs_hook=_first_of_each,
        parse_float=_finite if check else None,
        parse_int=_storable if check else None,
    )
    try:
        value = _decode(decoder, text)
    except RecursionError as error:
        message = f"JSON Parse error: The document is nested too deeply; at most {MAX_DEPTH} levels make a tensor."
        raise invalid_argument(message) from error
    except json.JSONDecodeError as error:
        reason = _PARSE_ERRORS.get(error.msg, f"{error.msg}.")
        raise invalid_argument(f"JSON Parse error: {reason} at offset: {error.pos}") from error
    except ValueError as error:
        raise invalid_argument("JSON Parse error: Number too big to be stored in double.") from error
    if not isinstance(value, dict):
        raise invalid_argument(f"JSON Value: {debug_string(value)} Is not object")
    return value


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    """Parses a document in which numbers may have the names that Python's decoder does not know."""
    try:
        return decoder.raw_decode(text)[0]
    except json.JSONDecodeError:
        renamed = _STRINGS_AND_NAMES.sub(lambda found: found[0] if found[0][0] == '"' else _NAMES[found[0]], text)
        try:
            return decoder.raw_decode(renamed)[0]
        except ValueError:
            pass
        raise


def _first_of_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object; of several members with one name it has the first."""
    found = dict(members)
    return found if len(found) == len(members) else dict(reversed(members))


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _storable(text: str) -> int:
    _finite(text)
    return int(text)


def debug_string(value: Any) -> str:
    """Returns a JSON value as error messages quote it, the large ones cut."""
    encoder = json.JSONEncoder(ensure_ascii=False, indent=4)
    quoted = ""
    try:
        for piece in encoder.iterencode(value):
            quoted += piece
            if len(quoted) > _DEBUG_BYTES:
                break
    except RecursionError:
        quoted += "..."
    return quoted[:_DEBUG_BYTES]


def text_to_bytes(text: str) -> bytes:
    """Returns the bytes of a JSON string.

    Raises:
      ServingError: INVALID_ARGUMENT, an escape in it names half of a surrogate pair.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid_argument("JSON Parse error: The surrogate pair in string is invalid.") from error


def is_base64(value: Any) -> bool:
    """Says whether a JSON value is the object that stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_BASE64_KEY), str)


def decode_base64(value: Any) -> bytes:
    """Returns the bytes of ``{"b64": ...}``.

    Raises:
      ServingError: INVALID_ARGUMENT, it is not JSON of that kind.
    """
    if not is_base64(value):
        raise invalid_argument(f"JSON Value: {debug_string(value)} not formatted correctly for base64 data")
    encoded = "".join(value[_BASE64_KEY].split()).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def shape_of(value: Any) -> list[int]:
    """Returns the shape that nested lists have along their first elements.

    Raises:
      ServingError: INVALID_ARGUMENT, they are nested deeper than a tensor can be.
    """
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MAX_DEPTH:
            raise invalid_argument(f"JSON Value is nested too deeply: a tensor has at most {MAX_DEPTH} dimensions.")
        if not value:
            break
        value = value[0]
    return shape


def flatten(value: Any, shape: list[int], dtype: int, level: int = 0) -> list[Any]:
    """Returns the elements of a dense tensor in row-major order.

    Args:
      value: Nested lists, or a scalar.
      shape: The shape, from :func:`shape_of`.
      dtype: The ``DataType`` wanted.
      level: How many lists deep ``value`` is.

    Raises:
      ServingError: INVALID_ARGUMENT, the lists are ragged or an element is of another type.
    """
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid_argument(
                f"JSON Value: {debug_string(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {rank}"
            )
        return [_element(value, dtype)]
    if level >= rank:
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == rank - 1 and not any(isinstance(element, list) for element in value):
        return [_element(element, dtype) for element in value]
    return [element for row in value for element in flatten(row, shape, dtype, level + 1)]


def fill_tensor(proto: Any, dtype: int, shape: list[int], elements: list[Any]) -> None:
    """Writes type, shape and elements into a ``TensorProto``."""
    proto.dtype = dtype
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    getattr(proto, _FIELDS[dtype][0]).extend(elements)


def _element(value: Any, dtype: int) -> Any:
    """Returns one element as the field of its type takes it."""
    if dtype not in _FIELDS:
        raise ServingError(
            Code.UNIMPLEMENTED, f"Conversion of JSON Value: {debug_string(value)} to type: {type_string(dtype)}"
        )
    if dtype == types_pb2.DT_STRING:
        if isinstance(value, str):
            return text_to_bytes(value)
        if isinstance(value, dict):
            return decode_base64(value)
    elif dtype == types_pb2.DT_BOOL:
        if isinstance(value, bool):
            return value
    elif dtype in _FLOATS:
        if type(value) is float:
            return value
        if type(value) is int and abs(value) < 1 << 1023:
            return float(value)
    else:
        bounds = _FIELDS[dtype][1]
        if type(value) is int and bounds is not None and bounds[0] <= value <= bounds[1]:
            return value
    raise invalid_argument(
        f"JSON Value: {debug_string(value)} Type: {json_type(value)} is not of expected type: {type_string(dtype)}"
    )


def json_type(value: Any) -> str:
    """Returns the type of a parsed JSON value as error messages name it."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    kinds: tuple[tuple[type, str], ...] = ((dict, "Object"), (list, "Array"), (str, "String"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "Number")


def type_string(dtype: int) -> str:
    """Returns a ``DataType`` as TensorFlow's messages name it, for example ``float``."""
    return dtype_name(dtype).removeprefix("DT_").lower()


def format_decimal(value: float, *, double: bool = False) -> str:
    """Returns a floating-point number as the real server writes it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    # A float that left its range by rounding would not pack; then it did not read back either.
    same = float(text) == value if double else _as_float32(float(text)) == value
    if not same:
        text = f"{value:.17g}" if double else f"{value:.9g}"
    return text if "." in text or "e" in text else f"{text}.0"


def format_string(value: bytes) -> str:
    """Returns bytes as a JSON string; those that are no UTF-8 go as they are."""
    return json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)


def format_elements(name: str, proto: Any) -> Iterator[str]:
    """Gives the elements of an output as JSON, in row-major order.

    Args:
      name: The output's alias; one that ends in ``_bytes`` has its strings written as ``{"b64": ...}``.
      proto: The ``TensorProto``, with its elements in the field of their type.

    Raises:
      ServingError: INVALID_ARGUMENT, JSON has no form for the type.
    """
    if proto.dtype not in _FIELDS:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {type_string(proto.dtype)}")
    return map(_formatter(name, proto.dtype), getattr(proto, _FIELDS[proto.dtype][0]))


def nest(elements: Iterator[str], shape: list[int]) -> str:
    """Returns the next elements as nested JSON lists of a shape."""
    if not shape:
        return next(elements)
    if len(shape) == 1:
        return "[" + ", ".join(next(elements) for _ in range(shape[0])) + "]"
    return "[" + ", ".join(nest(elements, shape[1:]) for _ in range(shape[0])) + "]"


def _formatter(name: str, dtype: int) -> Callable[[Any], str]:
    if dtype == types_pb2.DT_STRING:
        return _format_base64 if name.endswith(_BYTES_SUFFIX) else format_string
    if dtype == types_pb2.DT_BOOL:
        return lambda value: "true" if value else "false"
    if dtype == types_pb2.DT_FLOAT:
        return format_decimal
    if dtype == types_pb2.DT_DOUBLE:
        return lambda value: format_decimal(value, double=True)
    return str


def _format_base64(value: bytes) -> str:
    return f'{{"{_BASE64_KEY}": "{base64.b64encode(value).decode()}"}}'


def _as_float32(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf
