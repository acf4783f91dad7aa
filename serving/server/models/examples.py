"""Classification and regression: signatures over serialized ``tf.Example`` and what they answer."""

from collections.abc import Mapping
from typing import Any

from charseq_client.messages import predict_pb2, tensor_pb2, types_pb2
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.server.models.saved_model import SavedModel, Signature
from serving.server.models.tensors import dtype_name

_INPUTS, _OUTPUTS, _CLASSES, _SCORES = "inputs", "outputs", "classes", "scores"


def classification_signature(signature: Signature, *, check_method_name: bool) -> None:
    """Checks that a signature classifies.

    Raises:
      ServingError: INVALID_ARGUMENT, it does not.
    """
    definition = signature.definition
    if check_method_name and definition.method_name != "tensorflow/serving/classify":
        raise invalid_argument(
            "Expected classification signature method_name to be tensorflow/serving/classify. "
            f"Was: {definition.method_name}"
        )
    if len(definition.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(definition.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    if _INPUTS not in definition.inputs:
        raise invalid_argument(f"No classification inputs found in SignatureDef: {definition}")
    if _CLASSES not in definition.outputs and _SCORES not in definition.outputs:
        raise invalid_argument(
            f'Expected classification signature outputs to contain at least one of "{_CLASSES}" or "{_SCORES}". '
            f"Signature was: {definition}"
        )


def regression_signature(signature: Signature, *, check_method_name: bool) -> None:
    """Checks that a signature does regression.

    Raises:
      ServingError: INVALID_ARGUMENT, it does not.
    """
    definition = signature.definition
    if check_method_name and definition.method_name != "tensorflow/serving/regress":
        raise invalid_argument(
            f"Expected regression signature method_name to be tensorflow/serving/regress. Was: {definition.method_name}"
        )
    if len(definition.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(definition.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if _INPUTS not in definition.inputs:
        raise invalid_argument(f"No regression inputs found in SignatureDef: {definition}")
    if _OUTPUTS not in definition.outputs:
        raise invalid_argument(f"No regression outputs found in SignatureDef: {definition}")


def number_of_examples(examples: Any) -> int:
    """Returns how many examples a ``tensorflow.serving.Input`` holds.

    Raises:
      ServingError: INVALID_ARGUMENT, none.
    """
    kind = examples.WhichOneof("kind")
    count = len(getattr(examples, kind).examples) if kind else 0
    if not count:
        raise invalid_argument("Input is empty.")
    return count


def examples_tensor(examples: Any) -> Any:
    """Returns the string ``TensorProto`` of the serialized examples, each with the context in front if there is one."""
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING)
    # Serialized messages that follow each other are merged when they are parsed.
    context = b""
    if examples.WhichOneof("kind") == "example_list_with_context":
        context = examples.example_list_with_context.context.SerializeToString()
        source = examples.example_list_with_context.examples
    else:
        source = examples.example_list.examples
    proto.tensor_shape.dim.add().size = len(source)
    proto.string_val.extend(context + example.SerializeToString() for example in source)
    return proto


def run_signature(model: SavedModel, signature: Signature, examples: Any, timeout_ms: int) -> Mapping[str, Any]:
    """Runs a signature over examples; returns output alias to ``TensorProto``."""
    outputs = model.predict(signature, {_INPUTS: examples}, (), timeout_ms=timeout_ms)
    mapping: Mapping[str, Any] = predict_pb2.PredictResponse.FromString(outputs).outputs
    return mapping


def classification_result(outputs: Mapping[str, Any], count: int, result: Any) -> None:
    """Writes a ``ClassificationResult``.

    Args:
      outputs: ``classes`` [count, labels] of strings, ``scores`` [count, labels] of floats, or one of them.
      count: Number of examples.
      result: The message to fill.

    Raises:
      ServingError: INVALID_ARGUMENT, the outputs have other shapes or types.
    """
    classes, scores = outputs.get(_CLASSES), outputs.get(_SCORES)
    for name, proto, dtype in ((_CLASSES, classes, types_pb2.DT_STRING), (_SCORES, scores, types_pb2.DT_FLOAT)):
        if proto is None:
            continue
        shape = _shape(proto)
        if len(shape) != 2:
            raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_text(shape)}")
        if proto.dtype != dtype:
            raise invalid_argument(f"Expected {name} Tensor of {dtype_name(dtype)}. Got: {dtype_name(proto.dtype)}")
        if shape[0] != count:
            raise invalid_argument(f"Expected {name} output batch size of {count}. Got: {shape[0]}")
    widths = [_shape(proto)[1] for proto in (classes, scores) if proto is not None]
    if len(set(widths)) > 1:
        raise invalid_argument(f"Tensors class and score should match in dim_size(1). Got {widths[0]} vs. {widths[1]}")
    for row in range(count):
        classifications = result.classifications.add()
        for column in range(widths[0]):
            entry = classifications.classes.add()
            if classes is not None:
                entry.label = classes.string_val[row * widths[0] + column].decode("utf-8", "replace")
            if scores is not None:
                entry.score = scores.float_val[row * widths[0] + column]


def regression_result(outputs: Mapping[str, Any], count: int, result: Any) -> None:
    """Writes a ``RegressionResult`` from ``outputs`` [count] or [count, 1] of floats.

    Raises:
      ServingError: the output has another shape or type.
    """
    proto = outputs.get(_OUTPUTS)
    if proto is None:
        raise ServingError(Code.FAILED_PRECONDITION, f"No regression outputs found in SignatureDef: {sorted(outputs)}")
    shape = _shape(proto)
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + _text(shape)
        )
    if shape[0] != count:
        raise invalid_argument(f"Input batch size did not match output batch size: {count} vs. {shape[0]}")
    if proto.dtype != types_pb2.DT_FLOAT:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {dtype_name(proto.dtype)}")
    for value in proto.float_val:
        result.regressions.add().value = value


def _shape(proto: Any) -> list[int]:
    return [dimension.size for dimension in proto.tensor_shape.dim]


def _text(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
