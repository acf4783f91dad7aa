"""The inputs of requests that share a batch: which can be put together, and the tensors of all of them in one."""

import math
from typing import Any

from charseq_client.messages import tensor_pb2
from serving.contract.errors import invalid_argument
from serving.server.models.tensors import MAX_REPEATED_ELEMENTS, element_field

# As TensorFlow Serving pads.
_MOST_DIMENSIONS_PADDED = 6


def kind_of(inputs: list[tuple[str, Any]], *, pad: bool) -> tuple[tuple[Any, ...] | None, int]:
    """Describes what requests must have in common to share a batch.

    Args:
      inputs: Alias and ``TensorProto`` of each input.
      pad: Whether inputs of different shapes are padded to one.

    Returns:
      The kind, None for a request that runs on its own: without rows, or of tensors that cannot be put together; and the
      number of rows, which all inputs share.

    Raises:
      ServingError: INVALID_ARGUMENT, they share no number of rows. The messages are those of TensorFlow Serving.
    """
    kinds: list[tuple[Any, ...]] = []
    rows, together = -1, True
    for alias, proto in inputs:
        shape = _shape(proto)
        if not shape:
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        if min(shape) < 0:
            raise invalid_argument(f"tensor parsing error: {alias}")
        if rows not in (-1, shape[0]):
            raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
        rows = shape[0]
        element = element_field(proto.dtype)
        if element is None:
            together = False
            continue
        field, size = element
        as_content = bool(proto.tensor_content)
        # Exactly the elements of its own rows, or they would become those of another request.
        given = len(proto.tensor_content) if as_content else len(getattr(proto, field))
        if given != math.prod(shape) * (size if as_content else 1):
            together = False
        # An input without elements has none to pad with.
        padded = pad and 0 not in shape and len(shape) <= _MOST_DIMENSIONS_PADDED
        kinds.append((alias, proto.dtype, len(shape) if padded else shape[1:], as_content))
    if not kinds and together:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    return (tuple(kinds) if together and rows else None), rows


def split(inputs: list[tuple[str, Any]], rows: int, most: int) -> list[list[tuple[str, Any]]]:
    """Cuts a request, which :func:`kind_of` knows, into pieces of rows.

    Args:
      inputs: Alias and ``TensorProto`` of each input.
      rows: Its rows.
      most: Most rows of a piece.

    Returns:
      The inputs of each piece, in order.
    """
    return [
        [(alias, _rows(proto, start, min(start + most, rows))) for alias, proto in inputs]
        for start in range(0, rows, most)
    ]


def padded_shapes(batch: list[list[tuple[str, Any]]], rows: int) -> list[tuple[int, ...]] | None:
    """Returns the shape that each input of a batch has for all of its requests, who are of one kind.

    Args:
      batch: The inputs of each request.
      rows: Size of the first dimension.

    Returns:
      The shapes; None if a short request would be padded to the size of an immense one.
    """
    shapes: list[tuple[int, ...]] = []
    for index in range(len(batch[0])):
        first = _shape(batch[0][index][1])
        if len(first) == 1:  # nothing but rows
            shapes.append((rows,))
            continue
        own = [_shape(inputs[index][1])[1:] for inputs in batch]
        largest = tuple(max(sizes) for sizes in zip(*own, strict=True))
        if math.prod((rows, *largest)) > MAX_REPEATED_ELEMENTS and len(set(own)) > 1:
            return None
        shapes.append((rows, *largest))
    return shapes


def concatenate(protos: list[Any], rows: int, shape: tuple[int, ...]) -> Any:
    """Puts tensors of one kind together along the first dimension, and repeats the last row to fill the batch up.

    Args:
      protos: The ``TensorProto`` of each request.
      rows: How many rows they have together.
      shape: The shape that they get, each padded with its first element, as TensorFlow Serving does.
    """
    first = protos[0]
    whole = tensor_pb2.TensorProto(dtype=first.dtype)
    for size in shape:
        whole.tensor_shape.dim.add().size = size
    field, element_size = element_field(first.dtype) or ("", 0)  # kind_of has seen to it that there is one
    if first.tensor_content:
        content = b"".join(_pad(proto.tensor_content, _shape(proto), shape, element_size) for proto in protos)
        whole.tensor_content = content + content[len(content) - len(content) // rows :] * (shape[0] - rows)
        return whole
    elements = getattr(whole, field)
    for proto in protos:
        values = getattr(proto, field)
        elements.extend(_pad(values, _shape(proto), shape, 1) if len(shape) > 1 else values)
    row = len(elements) // rows
    if row:
        elements.extend(list(elements[-row:]) * (shape[0] - rows))
    return whole


def _rows(proto: Any, start: int, stop: int) -> Any:
    """Returns some rows of a tensor."""
    shape = _shape(proto)
    part = tensor_pb2.TensorProto(dtype=proto.dtype)
    for size in (stop - start, *shape[1:]):
        part.tensor_shape.dim.add().size = size
    field = "tensor_content" if proto.tensor_content else (element_field(proto.dtype) or ("", 0))[0]
    values = getattr(proto, field)
    row = len(values) // shape[0]
    values = values[start * row : stop * row]
    if field == "tensor_content":
        part.tensor_content = values
    else:
        getattr(part, field).extend(values)
    return part


def _shape(proto: Any) -> tuple[int, ...]:
    return tuple([dimension.size for dimension in proto.tensor_shape.dim])


def _pad(elements: Any, shape: tuple[int, ...], wanted: tuple[int, ...], unit: int) -> Any:
    """Enlarges all dimensions but the first.

    Args:
      elements: A sequence in row-major order, of bytes or of one item for each element.
      shape: Its shape.
      wanted: The shape to give it; the first dimension does not count.
      unit: Items of the sequence that make an element.

    Returns:
      The elements; the same sequence where there is nothing to do.
    """
    if shape[1:] == wanted[1:]:
        return elements
    filler = elements[:unit] if isinstance(elements, bytes) else list(elements[:unit])

    def enlarged(begin: int, axis: int) -> Any:
        """Returns what follows from `begin` on in all dimensions from `axis` on."""
        missing = filler * ((wanted[axis] - shape[axis]) * math.prod(wanted[axis + 1 :]))
        size = math.prod(shape[axis + 1 :]) * unit
        if shape[axis + 1 :] == wanted[axis + 1 :]:
            return elements[begin : begin + size * shape[axis]] + missing
        parts = [enlarged(begin + number * size, axis + 1) for number in range(shape[axis])]
        return _join(parts) + missing

    size = math.prod(shape[1:]) * unit
    return _join([enlarged(number * size, 1) for number in range(shape[0])])


def _join(parts: list[Any]) -> Any:
    return b"".join(parts) if isinstance(parts[0], bytes) else [item for part in parts for item in part]
