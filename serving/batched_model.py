"""A SavedModel whose concurrent requests run together: one call of the session for all of a batch.

Requests are of one kind, and may share a batch, if they ask one signature for the same outputs with inputs of the same
types and the same shapes but for the first dimension. With `pad_variable_length_inputs` the same number of dimensions is
enough; as in TensorFlow Serving, each is answered with the rows of the padded input's outputs. What cannot be put together
(scalars, inputs that differ in their number of rows, outputs without a row for each input) runs on its own, as it would
without batching. So does every request of a batch that failed: one bad input is the error of the one who sent it.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from serving.batch_inputs import concatenate, kind_of, padded_shapes
from serving.batch_scheduler import BatchScheduler, Execute, Task
from serving.batching_parameters import BatchingParameters
from serving.errors import ServingError
from serving.saved_model import SavedModel, Signature, match_inputs, select_fetches
from serving.stubs import types_pb2
from serving.tensorflow_c_api import Tensor
from serving.tensors import Encoder, encode_as_field


class _Output:
    """A copy of an output of a batch, or of a request on its own: a :class:`TensorLike`."""

    def __init__(self, tensor: Tensor) -> None:
        self.dtype, self.shape = tensor.dtype, tensor.shape
        self.elements: bytes | list[bytes] = (
            tensor.strings() if self.dtype == types_pb2.DT_STRING else bytes(tensor.data())
        )
        self.row = len(self.elements) // max(self.shape[0], 1) if self.shape else 0

    def data(self) -> memoryview:
        return memoryview(cast(bytes, self.elements))

    def strings(self) -> list[bytes]:
        return cast(list[bytes], self.elements)


@dataclass(slots=True)
class _Rows:
    """Some rows of an output: a :class:`TensorLike`."""

    output: _Output
    start: int
    stop: int

    @property
    def dtype(self) -> int:
        return self.output.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.stop - self.start, *self.output.shape[1:])

    def data(self) -> memoryview:
        return self.output.data()[self.start * self.output.row : self.stop * self.output.row]

    def strings(self) -> list[bytes]:
        return self.output.strings()[self.start * self.output.row : self.stop * self.output.row]


@dataclass(slots=True)
class _Work:
    """What a scheduler is given."""

    key: Hashable
    task: Task
    execute: Execute
    fetches: tuple[str, ...]


class BatchedModel(SavedModel):
    """A SavedModel whose requests go through a :class:`BatchScheduler`."""

    def __init__(
        self,
        scheduler: BatchScheduler,
        parameters: BatchingParameters,
        export_dir: str,
        tags: Sequence[str],
        config: bytes,
    ) -> None:
        """Loads the model; see :class:`SavedModel`.

        Args:
          scheduler: Brings requests together; several models may share one.
          parameters: How requests of this model share batches.
          export_dir: As for :class:`SavedModel`.
          tags: As for :class:`SavedModel`.
          config: As for :class:`SavedModel`.
        """
        super().__init__(export_dir, tags, config)
        self._scheduler = scheduler
        self._parameters = parameters

    def predict(
        self,
        signature: Signature,
        inputs: Any,
        output_filter: Sequence[str],
        outputs: Any,
        *,
        timeout_ms: int = 0,
        encode: Encoder = encode_as_field,
    ) -> None:
        """Runs a signature, together with other requests of its kind; arguments and errors are those of SavedModel."""
        work = self._plan(signature, inputs, output_filter, timeout_ms)
        if work is None:
            super().predict(signature, inputs, output_filter, outputs, timeout_ms=timeout_ms, encode=encode)
        else:
            self._scheduler.run(work.key, work.task, work.execute, self._parameters)
            _fill(work, outputs, encode)

    def begin_predict(
        self,
        signature: Signature,
        inputs: Any,
        output_filter: Sequence[str],
        outputs: Any,
        done: Callable[[BaseException | None], None],
        *,
        timeout_ms: int = 0,
        encode: Encoder = encode_as_field,
    ) -> Callable[[], None] | None:
        """Does what :meth:`predict` does on another thread, if the request can share a batch."""
        work = self._plan(signature, inputs, output_filter, timeout_ms)
        if work is None:
            return None
        work.task.done = lambda: done(work.task.error)
        self._scheduler.submit(work.key, work.task, work.execute, self._parameters)
        return lambda: _fill(work, outputs, encode)

    def _plan(self, signature: Signature, inputs: Any, output_filter: Sequence[str], timeout_ms: int) -> _Work | None:
        """Makes the task of a request; None for one that runs on its own."""
        fetches = tuple(select_fetches(signature, output_filter))
        matched = match_inputs(signature, inputs)
        kind, rows = kind_of(matched, pad=self._parameters.pad_variable_length_inputs)
        if kind is None or rows > self._parameters.max_batch_size:
            return None
        deadline = time.monotonic() + timeout_ms / 1000 if timeout_ms else None
        return _Work(
            (id(self), signature.name, fetches, kind),
            Task(matched, rows, deadline),
            lambda tasks: self._execute(signature, fetches, tasks),
            fetches,
        )

    def _execute(self, signature: Signature, fetches: Sequence[str], tasks: list[Task]) -> None:
        """Runs tasks as one batch; one after the other if that does not work."""
        if len(tasks) > 1:
            try:
                if self._execute_together(signature, fetches, tasks):
                    return
            except ServingError:
                pass  # of one of them; which one shows when each runs on its own
        for task in tasks:
            try:
                with self.fetch(signature, task.inputs, fetches, _time_left([task])) as results:
                    task.results = [_Output(tensor) for tensor in results]
            except ServingError as error:
                task.error = error

    def _execute_together(self, signature: Signature, fetches: Sequence[str], tasks: list[Task]) -> bool:
        rows = sum(task.rows for task in tasks)
        padded = self._parameters.padded(rows)
        shapes = padded_shapes([task.inputs for task in tasks], padded)
        if shapes is None:
            return False  # padding would cost more than the batch saves
        values = [
            (alias, concatenate([task.inputs[index][1] for task in tasks], rows, shapes[index]))
            for index, (alias, _) in enumerate(tasks[0].inputs)
        ]
        with self.fetch(signature, values, fetches, _time_left(tasks)) as results:
            outputs = [_Output(tensor) for tensor in results]
        if any(not output.shape or output.shape[0] != padded for output in outputs):
            return False  # no telling whose rows these are
        start = 0
        for task in tasks:
            task.results = [_Rows(output, start, start + task.rows) for output in outputs]
            start += task.rows
        return True


def _fill(work: _Work, outputs: Any, encode: Encoder) -> None:
    """Writes what a request was answered with.

    For whoever waits for it, and not the batch's thread: two that both need the interpreter all the time take it from each
    other at every turn, which costs more than the work.
    """
    for alias, result in zip(work.fetches, work.task.results, strict=True):
        encode(result, outputs[alias])


def _time_left(tasks: list[Task]) -> int:
    """Returns the time of the most patient caller, in milliseconds; 0 for no limit."""
    latest = 0.0
    for task in tasks:
        if task.deadline is None:
            return 0
        latest = max(latest, task.deadline)
    return max(int((latest - time.monotonic()) * 1000), 1)
