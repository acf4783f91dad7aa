"""Asking a model about the rows of a chunk, and finding the rows that it refuses."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from charseq_client.answers import Prediction, PredictionError
from charseq_client.arrays import Array
from pipeline.predict.back_ends import BackEnd
from pipeline.predict.question import Question, describe_columns
from pipeline.predict.source import Chunk
from serving.contract.errors import Code

# Sends inputs to a model, and raises PredictionError where it refuses them; called from many threads at a time.
Send = Callable[[Mapping[str, Any]], Prediction]

_ROW = re.compile(r"\A`?(\w+)\[0\]`?")


def answer_chunks(
    chunks: Iterable[Chunk], question: Question, columns: Mapping[str, tuple[str, ...]], back_end: BackEnd
) -> Iterator[tuple[Chunk, pa.RecordBatch]]:
    """Yields the answers in the order of the chunks, of which several are asked at a time.

    Args:
      chunks: The rows.
      question: What is asked about each.
      columns: Input of the model to the columns that it takes.
      back_end: Who is asked.

    Raises:
      PredictionError: The model does not answer.
    """
    in_flight, outputs = back_end.in_flight, question.tensors

    def ask(chunk: Chunk) -> pa.RecordBatch:
        return ask_chunk(lambda inputs: back_end.send(inputs, question.signature, outputs), question, columns, chunk)

    waiting: deque[tuple[Chunk, Future[pa.RecordBatch]]] = deque()
    pool = ThreadPoolExecutor(in_flight, "predict")
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(ask, chunk)))
            if len(waiting) >= 2 * in_flight:
                first, answers = waiting.popleft()
                yield first, answers.result()
        while waiting:
            first, answers = waiting.popleft()
            yield first, answers.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        back_end.cancel()
        raise
    finally:
        pool.shutdown()


def ask_chunk(send: Send, question: Question, columns: Mapping[str, tuple[str, ...]], chunk: Chunk) -> pa.RecordBatch:
    """Asks about the rows of a chunk.

    A model refuses a request for one bad row in it. Such a request is halved until the bad rows stand alone.

    Returns:
      A column for each output of the question, `version` int64, `line` int64, and `reason`: why a row has no answer, null for
      one that has.

    Raises:
      PredictionError: The model cannot answer, for a reason that is not of one row.
    """
    read, reasons = question.read(chunk, columns)
    readable = np.flatnonzero([reason is None for reason in reasons])
    answered: list[tuple[Array, Prediction]] = []
    waiting = [readable] if len(readable) else []
    while waiting:
        rows = waiting.pop()
        try:
            answered.append((rows, send(question.ask(chunk, read, rows))))
        except PredictionError as error:
            if error.code != Code.INVALID_ARGUMENT:
                raise
            if len(rows) == 1:
                reasons[int(rows[0])] = _of_column(error.reason, columns)
            else:
                middle = len(rows) // 2
                waiting += [rows[middle:], rows[:middle]]
    return _in_order(question, chunk, answered, reasons)


def _in_order(
    question: Question, chunk: Chunk, answered: list[tuple[Array, Prediction]], reasons: list[str | None]
) -> pa.RecordBatch:
    """Returns the answers to parts of a chunk as columns with a value, or a null, for each of its rows."""
    order: Array = np.full(len(chunk), -1, np.int64)
    first = 0
    for rows, answer in answered:
        for name in question.tensors:
            if len(answer.outputs[name]) != len(rows):
                raise PredictionError(
                    Code.FAILED_PRECONDITION,
                    f"The output {name} has {len(answer.outputs[name])} values for {len(rows)} rows; name another "
                    "signature with --signature.",
                )
        order[rows] = np.arange(first, first + len(rows))
        first += len(rows)
    where = pa.array(order, pa.int64(), mask=order < 0)
    names, arrays = [], []
    for name, output in question.outputs.items():
        parts = [question.column(name, answer) for _, answer in answered]
        names.append(name)
        arrays.append(pa.concat_arrays([*parts, pa.array([], output.kind)]).take(where))
    versions = [pa.array(np.full(len(rows), answer.version, np.int64)) for rows, answer in answered]
    arrays.append(pa.concat_arrays([*versions, pa.array([], pa.int64())]).take(where))
    arrays += [chunk.lines, pa.array(reasons, pa.string())]
    return pa.RecordBatch.from_arrays(arrays, [*names, "version", "line", "reason"])


def _of_column(reason: str, columns: Mapping[str, tuple[str, ...]]) -> str:
    """Returns what a model says of the only row of a request, with the column instead of the input."""
    found = _ROW.match(reason)
    if found is None or found[1] not in columns:
        return reason
    return f"{describe_columns(columns[found[1]])}{reason[found.end() :]}"
