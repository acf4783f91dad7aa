"""What a model is asked about each row, and the columns that its answers become: learned from the signature."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from charseq_client.answers import Prediction
from charseq_client.arrays import Array, Value
from charseq_client.messages import types_pb2
from charseq_client.signatures import find_signature, row_outputs, sampling_inputs, text_inputs
from charseq_client.text import Sampling
from pipeline.predict.source import Chunk

# DataType of an output to the type of its column.
_TYPES: dict[int, pa.DataType] = {
    types_pb2.DT_STRING: pa.string(),
    types_pb2.DT_FLOAT: pa.float32(),
    types_pb2.DT_DOUBLE: pa.float64(),
    types_pb2.DT_HALF: pa.float32(),
    types_pb2.DT_INT32: pa.int32(),
    types_pb2.DT_INT64: pa.int64(),
}


class QuestionError(ValueError):
    """A model cannot be asked so; the message says what its signature takes."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked about each row.

    Attributes:
      signature: The signature that is called.
      texts: Its inputs that take a text of each row.
      sampling: How texts are written, for a signature that writes; row n of the files, from 0, gets the seed plus n.
      sampled: Its inputs that say so.
      outputs: Its outputs that become columns, and their types.
    """

    signature: str
    texts: tuple[str, ...]
    sampling: Sampling
    sampled: tuple[str, ...]
    outputs: dict[str, pa.DataType]

    def inputs(self, chunk: Chunk, columns: Mapping[str, str], rows: Array) -> dict[str, Value]:
        """Returns the model's inputs for some rows of a chunk.

        Args:
          chunk: The rows.
          columns: Input to column.
          rows: Which of its rows, int64 [N].
        """
        inputs: dict[str, Value] = {}
        for name in self.texts:
            column = chunk.columns[chunk.names.index(columns[name])]
            inputs[name] = np.asarray(column.take(pa.array(rows)).to_pylist(), dtype=object)
        values = self.sampling.inputs(len(rows))
        values["seed"] = self.sampling.seed + chunk.first + rows
        return inputs | {name: values[name] for name in self.sampled}

    def column(self, output: str, answer: Prediction) -> pa.Array:
        """Returns an output as a column: bytes as UTF-8 (others are replaced), and null for a number that is not finite."""
        values, kind = answer.outputs[output], self.outputs[output]
        if pa.types.is_string(kind):
            return pa.array([value.decode("utf-8", "replace") for value in values.tolist()], kind)
        if pa.types.is_floating(kind):
            return pa.array(values.astype(kind.to_pandas_dtype()), kind, mask=~np.isfinite(values))
        return pa.array(values, kind)


def make_question(definitions: Mapping[str, Any], signature: str, sampling: Mapping[str, Any]) -> Question:
    """Returns how a signature is asked about rows.

    Args:
      definitions: Signature key to ``tensorflow.SignatureDef``.
      signature: Which one.
      sampling: The fields of `Sampling` that the user has given.

    Raises:
      QuestionError: There is no such signature, or it cannot be asked about rows of text.
    """
    try:
        definition = find_signature(definitions, signature)
    except ValueError as error:
        raise QuestionError(f"{error}; name one with --signature") from None
    texts, sampled = text_inputs(definition), sampling_inputs(definition)
    others = sorted(set(definition.inputs) - {*texts, *sampled})
    if others or not texts:
        raise QuestionError(
            f"the signature {signature!r} cannot be asked about a column of texts: its inputs are "
            f"{', '.join(sorted(definition.inputs)) or 'none'}; name another with --signature"
        )
    if unused := sorted(set(sampling) - set(sampled)):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        raise QuestionError(f"the signature {signature!r} has no input for {options}; leave that out")
    outputs = {name: _TYPES[dtype] for name, dtype in row_outputs(definition).items() if dtype in _TYPES}
    if not outputs:
        raise QuestionError(
            f"the signature {signature!r} has no output with one value for each row; name another with --signature"
        )
    return Question(signature, tuple(texts), dataclasses.replace(Sampling(), **sampling), tuple(sampled), outputs)


def match_columns(question: Question, columns: tuple[str, ...]) -> dict[str, str]:
    """Returns which column goes to which input of a signature.

    Args:
      question: The signature's.
      columns: Each INPUT=COLUMN; for a signature that takes one text, COLUMN alone.

    Raises:
      QuestionError: An input has no column, or two.
    """
    texts = question.texts
    matched: dict[str, str] = {}
    for column in columns:
        name, equals, source = column.partition("=")
        if not (equals and name in texts):
            if len(texts) > 1:
                raise QuestionError(
                    f"--column {column}: the signature {question.signature!r} takes {' and '.join(texts)}; say which: "
                    + " ".join(f"--column {text}=COLUMN" for text in texts)
                )
            name, source = texts[0], column
        if name in matched:
            raise QuestionError(f"--column {column}: the input {name!r} has the column {matched[name]!r} already")
        matched[name] = source
    if missing := [name for name in texts if name not in matched]:
        raise QuestionError(
            f"the signature {question.signature!r} takes {' and '.join(texts)}: add "
            + " ".join(f"--column {name}=COLUMN" if len(texts) > 1 else "--column COLUMN" for name in missing)
        )
    return {name: matched[name] for name in texts}
