"""A SavedModel whose concurrent requests run together: one call of the session for all of a batch.

Requests are of one kind, and may share a batch, if they ask one signature for the same outputs with inputs of the same
types and the same shapes but for the first dimension. With `pad_variable_length_inputs` the same number of dimensions is
enough; as in TensorFlow Serving, each is answered with the rows of the padded input's outputs.

What TensorFlow Serving refuses when it batches is refused here with its words: more rows than `max_batch_size`, scalars,
inputs that differ in their number of rows, and outputs without a row for each row of the inputs. When the model refuses a
batch, its requests run one by one, so that one bad input is the error of the one who sent it.
"""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from serving.contract.errors import Code, ServingError, invalid_argument
from serving.server.batching.inputs import concatenate, kind_of, padded_shapes, split
from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.scheduler import BatchScheduler, Execute, Task, call_when_done
from serving.server.models.saved_model import Done, SavedModel, Signature, match_inputs, select_fetches
from serving.server.models.tensorflow_c_api import Tensor
from serving.server.models.tensors import Encoder, Values, encode_as_field, tensor_values


@dataclass(slots=True)
class _Work:
    """What a scheduler is given for a request: one task, or several of a large one."""

    key: Hashable
    tasks: list[Task]
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
        if work is not None:
            self._scheduler.run(work.key, work.tasks, work.execute, self._parameters)
            return _encode(work.fetches, work.tasks, encode)
        fetches = tuple(select_fetches(signature, output_filter))
        matched = match_inputs(signature, inputs)
        _, rows = kind_of(matched, pad=False)
        outputs = self._run(signature, fetches, matched, rows, timeout_ms)
        return b"".join([encode(alias, values) for alias, values in zip(fetches, outputs, strict=True)])

    def begin_predict(
        self, signature: Signature, inputs: Any, output_filter: Sequence[str], done: Done, *, timeout_ms: int = 0
    ) -> bool:
        """Does what :meth:`predict` does on another thread, if the request can share a batch."""
        work = self._plan(signature, inputs, output_filter, timeout_ms)
        if work is None:
            return False
        finish = partial(done, partial(_encode, work.fetches, work.tasks))
        if len(work.tasks) == 1:
            work.tasks[0].done = finish
        else:
            call_when_done(work.tasks, finish)
        self._scheduler.submit(work.key, work.tasks, work.execute, self._parameters)
        return True

    def check_rows(self, rows: int) -> None:
        """Refuses a request of more rows than ``max_batch_size``, as TensorFlow Serving does."""
        most = self._parameters.max_batch_size
        if rows > most:
            raise invalid_argument(f"Task size {rows} is larger than maximum input batch size {most}")

    def _plan(self, signature: Signature, inputs: Any, output_filter: Sequence[str], timeout_ms: int) -> _Work | None:
        """Makes the tasks of a request; None for one that runs on its own.

        Raises:
          ServingError: INVALID_ARGUMENT, the request cannot be batched.
        """
        fetches = tuple(select_fetches(signature, output_filter))
        matched = match_inputs(signature, inputs)
        kind, rows = kind_of(matched, pad=self._parameters.pad_variable_length_inputs)
        if rows > self._parameters.max_batch_size:
            self._check_rows_of(matched, rows)
        if kind is None:
            return None
        deadline = time.monotonic() + timeout_ms / 1000 if timeout_ms else None
        most = self._parameters.rows_in_batch
        if rows <= most:
            tasks = [Task(matched, rows, deadline)]
        else:
            pieces = split(matched, rows, most)
            tasks = [Task(piece, min(most, rows - index * most), deadline) for index, piece in enumerate(pieces)]
        return _Work(
            (id(self), signature.name, fetches, kind),
            tasks,
            lambda tasks: self._execute(signature, fetches, tasks),
            fetches,
        )

    def _execute(self, signature: Signature, fetches: Sequence[str], tasks: list[Task]) -> None:
        """Runs tasks as one batch; one after the other if the model refuses that."""
        try:
            together = self._run_together(signature, fetches, tasks)
        except ServingError as error:
            if len(tasks) == 1 or isinstance(error, _WrongOutputsError):
                for task in tasks:
                    task.error = error
                return
            together = False  # one of them is wrong; which one shows when each runs on its own
        if not together:
            for task in tasks:
                self._execute(signature, fetches, [task])

    def _run_together(self, signature: Signature, fetches: Sequence[str], tasks: list[Task]) -> bool:
        rows = sum([task.rows for task in tasks])
        padded = self._parameters.padded(rows)
        if len(tasks) == 1 and rows == padded:
            values = tasks[0].inputs
        else:
            shapes = padded_shapes([task.inputs for task in tasks], padded)
            if shapes is None:
                return False  # padding would cost more than the batch saves
            values = [
                (alias, concatenate([task.inputs[index][1] for task in tasks], rows, shapes[index]))
                for index, (alias, _) in enumerate(tasks[0].inputs)
            ]
        outputs = self._run(signature, fetches, values, padded, _time_left(tasks))
        start = 0
        for task in tasks:
            task.results = outputs, start
            start += task.rows
        return True

    def _run(
        self, signature: Signature, fetches: Sequence[str], inputs: list[tuple[str, Any]], rows: int, timeout_ms: int
    ) -> list[Values]:
        """Runs the session once.

        Raises:
          ServingError: the model refuses; FAILED_PRECONDITION, an output has no row for each of ``rows``.
        """
        with self.fetch(signature, inputs, fetches, timeout_ms) as results:
            outputs = [_copy(tensor) for tensor in results]
        for output in outputs:
            if not output.shape:
                raise _WrongOutputsError("Batched output tensor has 0 dimensions")
            if output.shape[0] != rows:
                raise _WrongOutputsError(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors"
                )
        return outputs


class _WrongOutputsError(ServingError):
    """A signature whose outputs are not one row for each row of its inputs: it cannot be batched."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.FAILED_PRECONDITION, message)


def _copy(tensor: Tensor) -> Values:
    dtype, shape, elements = tensor_values(tensor)
    return Values(dtype, shape, bytes(elements) if isinstance(elements, memoryview) else elements)


def _encode(fetches: Sequence[str], tasks: Sequence[Task], encode: Encoder) -> bytes:
    """Returns the rows of a request, as fields of a serialized ``PredictResponse``; raises the first error of its tasks."""
    pieces = []
    for task in tasks:
        if task.error is not None:
            raise task.error
        outputs, start = task.results
        pieces.append([_rows(values, start, start + task.rows) for values in outputs])
    outputs = pieces[0] if len(pieces) == 1 else [_joined(parts) for parts in zip(*pieces, strict=True)]
    return b"".join([encode(alias, values) for alias, values in zip(fetches, outputs, strict=True)])


def _rows(values: Values, start: int, stop: int) -> Values:
    dtype, shape, elements = values
    if stop - start == shape[0]:
        return values
    row = len(elements) // shape[0]
    return Values(dtype, (stop - start, *shape[1:]), elements[start * row : stop * row])


def _joined(parts: Sequence[Values]) -> Values:
    """Returns the rows of several pieces as one tensor.

    Raises:
      ServingError: FAILED_PRECONDITION, the pieces differ in more than their number of rows.
    """
    dtype, shape, _ = parts[0]
    if any(part.shape[1:] != shape[1:] for part in parts):
        raise _WrongOutputsError(
            "The pieces of a request were answered with different shapes; send fewer rows at a time."
        )
    rows = sum(part.shape[0] for part in parts)
    if isinstance(parts[0].elements, bytes):
        return Values(dtype, (rows, *shape[1:]), b"".join([part.elements for part in parts]))
    return Values(dtype, (rows, *shape[1:]), [element for part in parts for element in part.elements])


def _time_left(tasks: list[Task]) -> int:
    """Returns the time of the most patient caller, in milliseconds; 0 for no limit."""
    latest = 0.0
    for task in tasks:
        if task.deadline is None:
            return 0
        latest = max(latest, task.deadline)
    return max(int((latest - time.monotonic()) * 1000), 1)
