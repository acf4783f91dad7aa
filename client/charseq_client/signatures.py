"""What a signature takes and answers, as the model's metadata says: enough to ask a model that one has not seen before."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from charseq_client.arrays import Value
from charseq_client.messages import types_pb2
from charseq_client.text import Sampling

_SAMPLING = tuple(field.name for field in dataclasses.fields(Sampling))

_FLOATS = (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE)


def find_signature(definitions: Mapping[str, Any], name: str) -> Any:
    """Returns the ``SignatureDef`` of a signature.

    Args:
      definitions: Signature key to ``tensorflow.SignatureDef``, as ``Client.metadata`` gives them.
      name: The key.

    Raises:
      ValueError: The model has no such signature.
    """
    if name in definitions:
        return definitions[name]
    known = ", ".join(sorted(key for key in definitions if not key.startswith("__"))) or "none"
    raise ValueError(f"the model has no signature {name!r}; it has {known}")


def text_inputs(definition: Any) -> list[str]:
    """Returns the inputs of a signature that take a text for each row: strings of one dimension."""
    return [
        name
        for name in sorted(definition.inputs)
        if definition.inputs[name].dtype == types_pb2.DT_STRING and _has_rows_alone(definition.inputs[name])
    ]


def row_outputs(definition: Any) -> dict[str, int]:
    """Returns the outputs of a signature with one value for each row, and their ``DataType``: `text` and `log_prob` first.

    An output of which the metadata does not say how many dimensions it has is not among them.
    """
    first = {"text": 0, "log_prob": 1}
    names = sorted(definition.outputs, key=lambda name: (first.get(name, len(first)), name))
    return {name: definition.outputs[name].dtype for name in names if _has_rows_alone(definition.outputs[name])}


def number_inputs(definition: Any) -> dict[str, int]:
    """Returns the inputs of a signature that take several numbers for each row, float [N, T], and T; -1 where any T will do."""
    return {
        name: int(info.tensor_shape.dim[1].size)
        for name, info in sorted(definition.inputs.items())
        if info.dtype in _FLOATS and _has_lists(info)
    }


def list_outputs(definition: Any) -> dict[str, int]:
    """Returns the outputs of a signature that have several numbers for each row, float [N, T], and T; -1 where it is open."""
    return {
        name: int(info.tensor_shape.dim[1].size)
        for name, info in definition.outputs.items()
        if info.dtype in _FLOATS and _has_lists(info)
    }


def sampling_inputs(definition: Any) -> list[str]:
    """Returns the inputs of a signature that say how a text is written: those that ``Sampling`` has a value for."""
    return [name for name in _SAMPLING if name in definition.inputs]


def fill_inputs(definition: Any, texts: Sequence[str], values: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the inputs for a signature that takes one text a row.

    Args:
      definition: The ``tensorflow.SignatureDef``.
      texts: A text for each row.
      values: Values of further inputs by name; those of ``Sampling`` that are not given have its defaults.

    Raises:
      ValueError: The signature takes no text, or several; the message names its inputs.
    """
    names = [name for name in text_inputs(definition) if name not in values]
    if len(names) != 1:
        asked = ", ".join(sorted(definition.inputs)) or "none"
        raise ValueError(f"this signature does not take one text a row: its inputs are {asked}; give each by its name")
    defaults = Sampling().inputs(len(texts))
    sampling = {name: defaults[name] for name in sampling_inputs(definition)}
    return {names[0]: list(texts), **sampling, **values}


def _has_lists(info: Any) -> bool:
    return not info.tensor_shape.unknown_rank and len(info.tensor_shape.dim) == 2


def _has_rows_alone(info: Any) -> bool:
    return not info.tensor_shape.unknown_rank and len(info.tensor_shape.dim) == 1
