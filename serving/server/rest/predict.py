"""Predict over REST: from a JSON body to a ``PredictRequest``, from a ``PredictResponse`` to a JSON body.

Row form: ``{"instances": [...]}`` is answered with ``{"predictions": [...]}``, one element per row of the batch.
Column form: ``{"inputs": ...}`` is answered with ``{"outputs": ...}``, whole tensors.
"""

from collections.abc import Mapping
from typing import Any

from serving.contract.errors import ServingError, invalid_argument
from serving.server.rest.json_format import (
    debug_string,
    fill_tensor,
    flatten,
    format_elements,
    format_string,
    is_base64,
    nest,
    shape_of,
    text_to_bytes,
)

ROW, COLUMN = "row", "column"


def signature_name(document: dict[str, Any]) -> str:
    """Returns the ``signature_name`` of a request, empty if it has none.

    Raises:
      ServingError: INVALID_ARGUMENT, it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {debug_string(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return text_to_bytes(name).decode("utf-8", "replace")


def fill_predict_request(document: dict[str, Any], infos: Mapping[str, Any], request: Any) -> str:
    """Writes the tensors of a request.

    Args:
      document: The parsed body.
      infos: Input alias to ``TensorInfo``, of the signature that is asked for.
      request: The ``PredictRequest`` whose inputs are written.

    Returns:
      :data:`ROW` or :data:`COLUMN`: the form in which to answer.

    Raises:
      ServingError: INVALID_ARGUMENT, the body does not fit the signature.
    """
    if not infos:
        name = request.model_spec.signature_name or "DEFAULT"
        raise invalid_argument(f"Failed to get input map for signature: {name}")
    has_rows, has_columns = "instances" in document, "inputs" in document
    if has_rows and has_columns:
        raise invalid_argument(
            f"JSON Value: {debug_string(document)} Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist "
        )
    if has_rows:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise invalid_argument(f"JSON Value: {debug_string(document)} Expecting 'instances' to be an list/array")
        if not rows:
            raise invalid_argument(f"JSON Value: {debug_string(document)} No values in 'instances' array")
        _fill_rows(rows, infos, request.inputs)
        return ROW
    if has_columns:
        _fill_columns(document["inputs"], infos, request.inputs)
        return COLUMN
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def format_predict_response(outputs: Mapping[str, Any], form: str) -> str:
    """Returns the JSON body of an answer.

    Args:
      outputs: Output alias to ``TensorProto``.
      form: :data:`ROW` or :data:`COLUMN`.

    Raises:
      ServingError: INVALID_ARGUMENT, there is no such form of these outputs.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    if form == ROW:
        return _format_rows(outputs)
    columns = {
        name: nest(format_elements(name, proto), [dimension.size for dimension in proto.tensor_shape.dim])
        for name, proto in sorted(outputs.items())
    }
    if len(columns) == 1:
        return f'{{\n    "outputs": {next(iter(columns.values()))}\n}}'
    return f'{{\n    "outputs": {_object(columns, 8)}\n}}'


def _fill_rows(rows: list[Any], infos: Mapping[str, Any], inputs: Any) -> None:
    """Puts the rows together: all of one shape, either all of them objects or none."""
    if not isinstance(rows[0], dict) and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    are_objects = _is_object(rows[0])
    batches: dict[str, _Batch] = {}
    for index, row in enumerate(rows):
        if are_objects and not _is_object(row):
            raise invalid_argument(f"Expecting object but got list at item {index} of input list")
        if not are_objects and _is_object(row):
            raise invalid_argument(f"Expecting value/list but got object at item {index} of input list")
        for name, item in row.items() if are_objects else ((next(iter(sorted(infos))), row),):
            try:
                if name not in infos:
                    raise invalid_argument(f"JSON object: does not have named input: {name}")
                batches.setdefault(name, _Batch(infos[name].dtype)).add(item)
            except ServingError as error:
                key = f" key: {name}" if are_objects else ""
                message = f"Failed to process element: {index}{key} of 'instances' list. Error: {error}"
                raise invalid_argument(message) from error
        if are_objects and set(row) != set(infos):
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {debug_string(row)} keys must "
                f"be equal to: {','.join(sorted(infos))}"
            )
    for name, batch in batches.items():
        fill_tensor(inputs[name], batch.dtype, [len(rows), *(batch.shape or [])], batch.elements)


class _Batch:
    """The rows of one input so far."""

    def __init__(self, dtype: int) -> None:
        self.dtype = dtype
        self.shape: list[int] | None = None
        self.elements: list[Any] = []
        self._size = 0

    def add(self, item: Any) -> None:
        shape = shape_of(item)
        elements = flatten(item, shape, self.dtype)
        if self.shape is None:
            self.shape, self._size = shape, len(elements)
        elif len(elements) != self._size:
            raise invalid_argument(f"Expecting tensor size: {self._size} but got: {len(elements)}")
        elif shape != self.shape:
            raise invalid_argument(f"Expecting shape {_shape(self.shape)} but got: {_shape(shape)}")
        self.elements += elements


def _fill_columns(value: Any, infos: Mapping[str, Any], inputs: Any) -> None:
    if _is_object(value):
        for name, info in infos.items():
            if name not in value:
                raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
            shape = shape_of(value[name])
            fill_tensor(inputs[name], info.dtype, shape, flatten(value[name], shape, info.dtype))
        return
    if len(infos) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    ((name, info),) = infos.items()
    shape = shape_of(value)
    fill_tensor(inputs[name], info.dtype, shape, flatten(value, shape, info.dtype))


def _format_rows(outputs: Mapping[str, Any]) -> str:
    rows = None
    for name, proto in sorted(outputs.items()):
        if not proto.tensor_shape.dim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        size = proto.tensor_shape.dim[0].size
        if rows is not None and size != rows:
            raise invalid_argument(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {rows}")
        rows = size
    elements = {name: format_elements(name, proto) for name, proto in sorted(outputs.items())}
    shapes = {name: [dimension.size for dimension in proto.tensor_shape.dim][1:] for name, proto in outputs.items()}
    lines = []
    for _ in range(rows or 0):
        row = {name: nest(values, shapes[name]) for name, values in elements.items()}
        lines.append(next(iter(row.values())) if len(row) == 1 else _object(row, 12))
    separator = ",\n        "
    return f'{{\n    "predictions": [\n        {separator.join(lines)}\n    ]\n}}'


def _object(members: Mapping[str, str], indent: int) -> str:
    """Returns a JSON object of members that are JSON already."""
    inside = ",\n".join(f"{' ' * indent}{format_string(name.encode())}: {value}" for name, value in members.items())
    return f"{{\n{inside}\n{' ' * (indent - 4)}}}"


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _shape(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
