"""A SavedModel whose concurrent requests run together: one call of the session for all of a batch.

Requests are of one kind, and may share a batch, if they ask one signature for the same outputs with inputs of the same
types and the same shapes but for the first dimension. With `pad_variable_length_inputs` the same number of dimensions is
enough; as in TensorFlow Serving, each is answered with the rows of the padded input's outputs. What cannot be put together
(scalars, inputs that differ in their number of rows, outputs without a row for each input) runs on its own, as it would
without batching. So does every request of a batch that failed: one bad input is the error of the one who sent it.
"""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from serving.contract.errors import ServingError
from serving.server.batching.inputs import concatenate, kind_of, padded_shapes
from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.scheduler import BatchScheduler, Execute, Task
from serving.server.models.saved_model import Done, SavedModel, Signature, match_inputs, select_fetches
from serving.server.models.tensorflow_c_api import Tensor
from serving.server.models.tensors import Encoder, Values, encode_as_field, tensor_values


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
        *,
        timeout_ms: int = 0,
        encode: Encoder = encode_as_field,
    ) -> bytes:
        """Runs a signature, together with other requests of its kind; as for SavedModel."""
        work = self._plan(signature, inputs, output_filter, timeout_ms)
        if work is None:
            return super().predict(signature, inputs, output_filter, timeout_ms=timeout_ms, encode=encode)
        self._scheduler.run(work.key, work.task, work.execute, self._parameters)
        return _encode(work.fetches, work.task, encode)

    def begin_predict(
        self, signature: Signature, inputs: Any, output_filter: Sequence[str], done: Done, *, timeout_ms: int = 0
    ) -> bool:
        """Does what :meth:`predict` does on another thread, if the request can share a batch."""
        work = self._plan(signature, inputs, output_filter, timeout_ms)
        if work is None:
            return False
        work.task.done = partial(done, partial(_encode, work.fetches, work.task))
        self._scheduler.submit(work.key, work.task, work.execute, self._parameters)
        return True

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
                    task.results = [_copy(tensor) for tensor in results], None
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
            outputs = [_copy(tensor) for tensor in results]
        if any(not output.shape or output.shape[0] != padded for output in outputs):
            return False  # no telling whose rows these are
        start = 0
        for task in tasks:
            task.results = outputs, start
            start += task.rows
        return True


def _copy(tensor: Tensor) -> Values:
    dtype, shape, elements = tensor_values(tensor)
    return Values(dtype, shape, bytes(elements) if isinstance(elements, memoryview) else elements)


def _encode(fetches: Sequence[str], task: Task, encode: Encoder) -> bytes:
    """Returns a task's rows of its batch's outputs, as fields of a serialized ``PredictResponse``; raises its error."""
    if task.error is not None:
        raise task.error
    outputs, start = task.results
    if start is not None:  # else all of them are its own
        outputs = [_rows(values, start, start + task.rows) for values in outputs]
    return b"".join([encode(alias, values) for alias, values in zip(fetches, outputs, strict=True)])


def _rows(values: Values, start: int, stop: int) -> Values:
    dtype, shape, elements = values
    row = len(elements) // shape[0]
    return Values(dtype, (stop - start, *shape[1:]), elements[start * row : stop * row])


def _time_left(tasks: list[Task]) -> int:
    """Returns the time of the most patient caller, in milliseconds; 0 for no limit."""
    latest = 0.0
    for task in tasks:
        if task.deadline is None:
            return 0
        latest = max(latest, task.deadline)
    return max(int((latest - time.monotonic()) * 1000), 1)
