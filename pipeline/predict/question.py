"""What a model is asked about each row, and the columns that its answers become: learned from the signature."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from charseq_client.answers import Prediction
from charseq_client.arrays import Array, Value
from charseq_client.messages import types_pb2
from charseq_client.signatures import (
    find_signature,
    list_outputs,
    number_inputs,
    row_outputs,
    sampling_inputs,
    text_inputs,
)
from charseq_client.text import Sampling
from data.series.histories import read_histories
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


# A signature that reads as many numbers as its shape says; `serving_default` of the same model reads more as well.
_WINDOW = "window"

# Between the first and the last of several columns.
_TO = ".."

# What stands for an answer that does not exist: the least float32, which a search gives to it.
_NO_ANSWER = -1e30


class QuestionError(ValueError):
    """A model cannot be asked so; the message says what its signature takes."""

    kind = "question"
    meaning = "A model cannot be asked so."
    remedy = "Name the columns and the signature that the message lists."


@dataclasses.dataclass(frozen=True)
class Output:
    """A column that answers become.

    Attributes:
      kind: Its type.
      tensor: The output of the signature.
      place: Which of several answers to a row, from 0; None for an output with one value a row.
    """

    kind: pa.DataType
    tensor: str
    place: int | None = None


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked about each row.

    Attributes:
      signature: The signature that is called.
      texts: Its inputs that take a text of each row.
      numbers: Its inputs that take several numbers of each row, and how many.
      sampling: How texts are written, for a signature that writes; row n of the files, from 0, gets the seed plus n.
      sampled: Its inputs that say so.
      outputs: The columns that its outputs become.
      nbest: How many answers each row gets; None for a signature that gives one.
    """

    signature: str
    texts: tuple[str, ...]
    numbers: dict[str, int]
    sampling: Sampling
    sampled: tuple[str, ...]
    outputs: dict[str, Output]
    nbest: int | None = None

    @property
    def tensors(self) -> list[str]:
        """The outputs of the signature that are needed."""
        return list(dict.fromkeys(output.tensor for output in self.outputs.values()))

    def read(self, chunk: Chunk, columns: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Array], list[str | None]]:
        """Returns the model's inputs for the rows of a chunk: strings [N], or numbers float32 [N, T].

        Args:
          chunk: The rows.
          columns: Input to columns.

        Returns:
          The inputs; and why a row cannot be asked about, None where it can be.
        """
        reasons: list[str | None] = chunk.reasons.to_pylist()
        inputs: dict[str, Array] = {}
        for name in self.texts:
            inputs[name] = np.asarray(chunk.column(columns[name][0]).to_pylist(), dtype=object)
        for name, length in self.numbers.items():
            texts = chunk.joined(columns[name], ";").to_pylist()
            inputs[name], wrong = read_histories(texts, length)
            reasons = [
                f"{describe_columns(columns[name])}: {found}" if reason is None and found is not None else reason
                for reason, found in zip(reasons, wrong, strict=True)
            ]
        return inputs, reasons

    def ask(self, chunk: Chunk, read: Mapping[str, Array], rows: Array) -> dict[str, Value]:
        """Returns the model's inputs for some rows of a chunk.

        Args:
          chunk: The rows.
          read: What `read` returned for them.
          rows: Which of them, int64 [N].
        """
        inputs: dict[str, Value] = {name: values[rows] for name, values in read.items()}
        values = self.sampling.inputs(len(rows))
        values["seed"] = self.sampling.seed + chunk.first + rows
        if self.nbest is not None:
            inputs["n"] = np.full(len(rows), self.nbest, np.int32)
        return inputs | {name: values[name] for name in self.sampled}

    def column(self, name: str, answer: Prediction) -> pa.Array:
        """Returns a column: bytes as UTF-8 (others are replaced), and null for a number that is not finite.

        Where a row has several answers, one that does not exist is null: a model may have fewer.
        """
        output = self.outputs[name]
        values, kind = answer.outputs[output.tensor], output.kind
        if output.place is not None and self.nbest is None:
            return self._column(values[:, output.place], kind)
        if output.place is not None:
            if output.place >= values.shape[1]:
                return pa.nulls(len(values), kind)
            exists = pa.array(answer.outputs["log_probs"][:, output.place] > _NO_ANSWER)
            column = self._column(values[:, output.place], kind)
            return pc.if_else(exists, column, pa.scalar(None, kind))
        return self._column(values, kind)

    @staticmethod
    def _column(values: Array, kind: pa.DataType) -> pa.Array:
        if pa.types.is_string(kind):
            return pa.array([value.decode("utf-8", "replace") for value in values.tolist()], kind)
        if pa.types.is_floating(kind):
            return pa.array(values.astype(kind.to_pandas_dtype()), kind, mask=~np.isfinite(values))
        return pa.array(values, kind)


def make_question(
    definitions: Mapping[str, Any], signature: str, sampling: Mapping[str, Any], nbest: int | None = None
) -> Question:
    """Returns how a signature is asked about rows.

    Args:
      definitions: Signature key to ``tensorflow.SignatureDef``.
      signature: Which one.
      sampling: The fields of `Sampling` that the user has given.
      nbest: How many answers each row gets; the signature is then one that gives several, such as ``nbest``.

    Raises:
      QuestionError: There is no such signature, or it cannot be asked about rows of text.
    """
    try:
        definition = find_signature(definitions, signature)
    except ValueError as error:
        raise QuestionError(f"{error}; name one with --signature") from None
    numbers = number_inputs(definition)
    if -1 in numbers.values() and number_inputs(definitions.get(_WINDOW, definition)).keys() == numbers.keys():
        signature, definition = _WINDOW, definitions[_WINDOW]
        numbers = number_inputs(definition)
    texts, sampled = text_inputs(definition), sampling_inputs(definition)
    others = sorted(set(definition.inputs) - {*texts, *numbers, *sampled, *(["n"] if nbest is not None else [])})
    if others or not (texts or numbers) or -1 in numbers.values():
        raise QuestionError(
            f"the signature {signature!r} cannot be asked about a column of texts, or of lists of so many numbers: its inputs "
            f"are {', '.join(sorted(definition.inputs)) or 'none'}; name another with --signature"
        )
    if unused := sorted(set(sampling) - set(sampled)):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        raise QuestionError(f"the signature {signature!r} has no input for {options}; leave that out")
    if nbest is not None:
        alternatives = _alternatives(definition, signature, nbest)
        return Question(signature, tuple(texts), numbers, Sampling(), (), alternatives, nbest)
    outputs = {name: Output(_TYPES[dtype], name) for name, dtype in row_outputs(definition).items() if dtype in _TYPES}
    if numbers:
        outputs |= _steps(definition)
    if not outputs:
        raise QuestionError(
            f"the signature {signature!r} has no output with one value for each row; name another with --signature"
        )
    written = dataclasses.replace(Sampling(), **sampling)
    return Question(signature, tuple(texts), numbers, written, tuple(sampled), outputs)


def _steps(definition: Any) -> dict[str, Output]:
    """Returns a column for each number of outputs with several for each row: `forecast_1`, `lower_1`, then `forecast_2`."""
    lengths = list_outputs(definition)
    return {
        f"{name}_{place + 1}": Output(_TYPES[definition.outputs[name].dtype], name, place)
        for place in range(max(lengths.values(), default=0))
        for name in sorted(lengths)
        if place < lengths[name]
    }


def _alternatives(definition: Any, signature: str, nbest: int) -> dict[str, Output]:
    """Returns a column for each of several answers and one for its log-probability, the likeliest first."""
    if not {"texts", "log_probs"} <= set(definition.outputs):
        raise QuestionError(f"the signature {signature!r} does not give several answers to a row; leave --nbest out")
    columns = {}
    for place in range(nbest):
        columns[f"text_{place + 1}"] = Output(pa.string(), "texts", place)
        columns[f"log_prob_{place + 1}"] = Output(pa.float32(), "log_probs", place)
    return columns


def match_columns(question: Question, columns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Returns which column goes to which input of a signature.

    Args:
      question: The signature's.
      columns: Each INPUT=COLUMN; for a signature with one input, COLUMN alone. An input that takes several numbers may have
        FIRST..LAST.

    Returns:
      Input to its column, or to the first and the last of its columns.

    Raises:
      QuestionError: An input has no column, or two.
    """
    texts = (*question.texts, *question.numbers)
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
    return {
        name: tuple(matched[name].split(_TO, 1)) if name in question.numbers else (matched[name],) for name in texts
    }


def describe_columns(columns: tuple[str, ...]) -> str:
    """Returns how a message names the columns of an input."""
    return f"column {columns[0]!r}" if len(columns) == 1 else f"columns {columns[0]!r} to {columns[-1]!r}"
