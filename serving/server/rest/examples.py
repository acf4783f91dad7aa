"""Classify and Regress over REST: ``tf.Example`` from JSON, results to JSON."""

from typing import Any

from serving.contract.errors import invalid_argument
from serving.server.rest.json_format import (
    debug_string,
    decode_base64,
    format_decimal,
    format_string,
    is_base64,
    json_type,
    text_to_bytes,
)

_INT64 = range(-(2**63), 2**63)
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def fill_examples(document: dict[str, Any], classification_input: Any) -> None:
    """Writes ``examples``, and ``context`` if there is one.

    Args:
      document: The parsed body.
      classification_input: The ``tensorflow.serving.Input`` to fill.

    Raises:
      ServingError: INVALID_ARGUMENT, the body does not hold examples.
    """
    target = classification_input.example_list
    if "context" in document:
        target = classification_input.example_list_with_context
        _fill_example(document["context"], target.context)
    if "examples" not in document:
        raise invalid_argument(
            f"JSON Value: {debug_string(document)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid_argument(f"JSON Value: {debug_string(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid_argument(f"JSON Value: {debug_string(document)} 'examples' value is an empty array")
    for example in examples:
        _fill_example(example, target.examples.add())


def format_classifications(result: Any) -> str:
    """Returns the JSON body of a ``ClassificationResult``: label and score of every class, per example."""
    if not result.classifications:
        raise invalid_argument("Cannot convert empty ClassificationResults to JSON")
    rows = [
        "["
        + ", ".join(f"[{format_string(c.label.encode())}, {format_decimal(c.score)}]" for c in example.classes)
        + "]"
        for example in result.classifications
    ]
    separator = ",\n        "
    return f'{{\n    "results": [\n        {separator.join(rows)}\n    ]\n}}'


def format_regressions(result: Any) -> str:
    """Returns the JSON body of a ``RegressionResult``: one number per example."""
    if not result.regressions:
        raise invalid_argument("Cannot convert empty RegressionResults to JSON")
    return f'{{\n    "results": [{", ".join(format_decimal(r.value) for r in result.regressions)}]\n}}'


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    example.features.SetInParent()
    for name, content in value.items():
        feature = example.features.feature[text_to_bytes(name).decode("utf-8", "replace")]
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)


def _add(value: Any, name: str, feature: Any) -> None:
    """Adds a value to a feature; all of a feature are of one kind."""
    if isinstance(value, str) or is_base64(value):
        _list_of("bytes_list", name, feature).append(
            text_to_bytes(value) if isinstance(value, str) else decode_base64(value)
        )
    elif isinstance(value, bool):
        _list_of("int64_list", name, feature).append(int(value))
    elif isinstance(value, float):
        _list_of("float_list", name, feature).append(value)
    elif isinstance(value, int):
        values = _list_of("int64_list", name, feature)
        if value not in _INT64:
            raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        values.append(value)
    else:
        raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")


def _list_of(kind: str, name: str, feature: Any) -> Any:
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {_KINDS[present]}")
    return getattr(feature, kind).value
