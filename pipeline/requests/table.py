"""Logged requests as a table: a line for each row of each request, with what was answered."""

import datetime
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from charseq_client.arrays import Array, from_proto
from data.series.histories import format_history
from data.tables.writing import TableWriter
from pipeline.requests.reading import RequestLogError

_BATCH_ROWS = 4096

_KINDS = {"O": pa.string(), "f": pa.float64(), "i": pa.int64(), "u": pa.int64(), "b": pa.int64()}


class RequestTable:
    """The table that requests become.

    Attributes:
      schema: Its columns: the inputs, the outputs (`predicted_` before a name that an input has), then `model`, `version` and
        `time`. Several numbers in a row, as histories and forecasts are, become one text, a list of JSON.
    """

    def __init__(self, logs: Iterator[Any]) -> None:
        """Learns the columns from the first request.

        Args:
          logs: Each a ``PredictionLog`` of Predict.

        Raises:
          RequestLogError: No input has a value for each row.
        """
        first = next(logs)
        self._logs = itertools.chain([first], logs)
        log = first.predict_log
        self._inputs = _row_values(log.request.inputs, lists=True)
        if not self._inputs:
            raise RequestLogError("the requests have no input with a value for each row; there is no table of them")
        # An answer to one text may have lists too, such as the log-probabilities of its characters: they are of no use.
        lists = any(from_proto(log.request.inputs[name]).ndim > 1 for name in self._inputs)
        outputs = _row_values(log.response.outputs, lists)
        self._outputs = {name: f"predicted_{name}" if name in self._inputs else name for name in outputs}
        kinds = self._inputs | {self._outputs[name]: kind for name, kind in outputs.items()}
        fields = [pa.field(name, kind) for name, kind in kinds.items()]
        self.schema = pa.schema([*fields, ("model", pa.string()), ("version", pa.int64()), ("time", pa.string())])

    def write(self, writer: TableWriter) -> int:
        """Writes the rows; returns how many. An input or output that a request lacks is empty in its rows."""
        rows = 0
        for logs in _batches(self._logs):
            columns: dict[str, list[Any]] = {name: [] for name in self.schema.names}
            for log in logs:
                self._add(log, columns)
            batch = pa.RecordBatch.from_arrays(
                [pa.array(columns[field.name], field.type) for field in self.schema], schema=self.schema
            )
            writer.write(batch)
            rows += len(batch)
        return rows

    def _add(self, log: Any, columns: dict[str, list[Any]]) -> None:
        request, response = log.predict_log.request, log.predict_log.response
        count = max(
            (len(from_proto(request.inputs[name])) for name in self._inputs if name in request.inputs), default=0
        )
        for name in self._inputs:
            columns[name] += _values(request.inputs, name, count)
        for name, called in self._outputs.items():
            columns[called] += _values(response.outputs, name, count)
        moment = datetime.datetime.fromtimestamp(log.log_metadata.timestamp_secs, datetime.UTC)
        columns["model"] += [response.model_spec.name] * count
        columns["version"] += [response.model_spec.version.value] * count
        columns["time"] += [moment.isoformat()] * count


def _row_values(tensors: Any, lists: bool) -> dict[str, pa.DataType]:
    """Returns the tensors that have one value for each row, or with `lists` several numbers, and the types of their columns."""
    found = {}
    for name in sorted(tensors):
        array = from_proto(tensors[name])
        if array.ndim == 1 and array.dtype.kind in _KINDS:
            found[name] = _KINDS[array.dtype.kind]
        elif lists and array.ndim == 2 and array.dtype.kind == "f":
            found[name] = pa.string()
    return found


def _values(tensors: Any, name: str, count: int) -> Sequence[Any]:
    """Returns the values of a column for the rows of a request; an input with one value is that of every row."""
    if name not in tensors:
        return [None] * count
    array: Array = from_proto(tensors[name])
    if array.ndim == 2:
        # By way of text: 1.1 as float32 is 1.10000002384 as a Python number.
        return [format_history([float(str(value)) for value in row]) for row in array]
    values = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in array.tolist()]
    if len(values) == 1:
        values *= count
    if len(values) != count:
        return [None] * count
    return [None if isinstance(value, float) and not np.isfinite(value) else value for value in values]


def _batches(logs: Iterable[Any]) -> Iterator[list[Any]]:
    """Groups requests so that a group has some thousand rows."""
    group: list[Any] = []
    size = 0
    for log in logs:
        group.append(log)
        size += max(
            (sum(1 for _ in tensor.string_val) for tensor in log.predict_log.request.inputs.values()), default=1
        )
        if size >= _BATCH_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group
