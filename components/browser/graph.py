"""A pushed model without what TensorFlow.js lacks: strings, tables, and an operation or two."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

_SIGNATURE = "numeric"


def save_numeric(model_path: str, path: str) -> None:
    """Writes the signature `numeric` of a pushed model, its weights as constants, as a SavedModel of its own.

    The converter reads a whole SavedModel, and fails on the tables of the other signatures.

    Args:
      model_path: The pushed model.
      path: Folder for the SavedModel.

    Raises:
      ValueError: The model has no such signature.
    """
    model = tf.saved_model.load(model_path)
    if _SIGNATURE not in model.signatures:
        raise ValueError(f"{model_path} has no signature {_SIGNATURE!r}: it was pushed by an older version of charseq")
    signature = model.signatures[_SIGNATURE]
    frozen = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    (tokens,), outputs = frozen.inputs, dict(zip(sorted(signature.structured_outputs), frozen.outputs, strict=True))
    graph_def = rewrite(frozen.graph.as_graph_def())

    placeholder, names = tokens.name, [output.name for output in outputs.values()]

    def numeric(tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.import_graph_def(graph_def, {placeholder: tokens}, names, name="")
        return dict(zip(outputs, found, strict=True))

    module = tf.Module()
    module.numeric = tf.function(
        numeric, input_signature=[tf.TensorSpec(tokens.shape, tokens.dtype, "tokens")], autograph=False
    )
    # Gradients of the layers' own cannot be saved again, and nothing here is trained.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, path, {"serving_default": module.numeric}, options)


def rewrite(graph_def: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """Returns a graph of the same function with the operations that TensorFlow.js has. Loops stay as they are.

    - erfc(x), which gelu has, becomes 1 - erf(x). The two differ where float32's 1 - erf is 0, by less than 1e-7.
    - tanh(x) becomes -tanh(-x). The converter would else join it to the matrix product before it, as one operation that the
      CPU backend does not have.
    """
    changed = tf.compat.v1.GraphDef()
    changed.CopyFrom(graph_def)
    for node in [node for node in changed.node if node.op in ("Erfc", "Tanh")]:
        dtype = node.attr["T"].type

        def add(name: str, op: str, inputs: Sequence[str], dtype: int = dtype, node: Any = node) -> str:
            added = changed.node.add(name=f"{node.name}/{name}", op=op, input=inputs)
            added.attr["T"].type = dtype
            return str(added.name)

        if node.op == "Erfc":
            one = changed.node.add(name=f"{node.name}/one", op="Const")
            one.attr["dtype"].type = dtype
            one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1.0, dtype))
            inputs, op = [one.name, add("erf", "Erf", node.input)], "Sub"
        else:
            inputs, op = [add("tanh", "Tanh", [add("negative", "Neg", node.input)])], "Neg"
        node.op = op
        node.input[:] = inputs
    return changed
