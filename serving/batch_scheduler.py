"""Which requests run together: a queue per kind of request, and threads that take batches from the queues.

Batches grow by themselves to what arrives while the ones before are computed. With a timeout, a batch waits for as many
rows as the one before it had, which is what a steady number of callers sends; so a caller who is alone waits for nobody,
and many callers share few batches.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from serving.batching_parameters import BatchingParameters
from serving.errors import Code, ServingError

# Kinds of request whose last batch is remembered. A kind that is forgotten waits its whole timeout, once.
_MAX_REMEMBERED = 1000


@dataclass(eq=False, slots=True)
class Task:
    """One request that may run with others of its kind.

    Attributes:
      inputs: Alias and ``TensorProto`` of each input.
      rows: Size of the first dimension of all of them.
      outputs: Where the answer goes: map of alias to ``TensorProto``.
      deadline: When the caller gives up, on ``time.monotonic()``; None for never.
      done: Called once, when the task was run or has failed, on the thread that did.
      arrived: When it was enqueued.
      error: Why it failed.
    """

    inputs: list[tuple[str, Any]]
    rows: int
    outputs: Any
    deadline: float | None
    done: Callable[[], None] = lambda: None
    arrived: float = 0.0
    error: BaseException | None = None


Execute = Callable[[list[Task]], None]


@dataclass(eq=False, slots=True)
class _Queue:
    """Tasks of one kind that wait; what runs them, and when."""

    tasks: deque[Task]
    execute: Execute
    parameters: BatchingParameters
    rows: int = 0
    full: int = 0  # rows at which there is nothing to wait for

    def due(self) -> float:
        """Returns when a batch should be run, on ``time.monotonic()``."""
        if self.rows >= self.full:
            return 0.0
        return self.tasks[0].arrived + self.parameters.batch_timeout_s

    def take(self) -> list[Task]:
        """Takes the next batch off the queue."""
        batch = [self.tasks.popleft()]
        rows = batch[0].rows
        while self.tasks and rows + self.tasks[0].rows <= self.parameters.max_batch_size:
            rows += self.tasks[0].rows
            batch.append(self.tasks.popleft())
        self.rows -= rows
        return batch


class BatchScheduler:
    """Brings tasks together. Safe from many threads at a time; its own threads begin with the first task."""

    def __init__(self, parameters: BatchingParameters) -> None:
        """Begins with empty queues.

        Args:
          parameters: For all models that bring none of their own, but for the batch threads, which all share.
        """
        self.parameters = parameters
        self._change = threading.Condition()
        self._queues: dict[Hashable, _Queue] = {}
        self._last_rows: dict[Hashable, int] = {}
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, key: Hashable, task: Task, execute: Execute, parameters: BatchingParameters | None = None) -> None:
        """Enqueues a task, to be run alone or with others; its ``done`` is called when that has happened.

        Args:
          key: Tasks with the same key may run together.
          task: The task.
          execute: Runs a list of tasks: fills their outputs, or sets their error.
          parameters: For tasks of this key; the scheduler's by default.

        Raises:
          ServingError: UNAVAILABLE, too many are waiting, or the scheduler is closed.
        """
        parameters = parameters or self.parameters
        with self._change:
            if self._closed:
                raise ServingError(Code.UNAVAILABLE, "The server is stopping.")
            queue = self._queues.get(key)
            if queue is None:
                wanted = parameters.max_batch_size if parameters.batch_timeout_s else 0
                queue = _Queue(deque(), execute, parameters, full=min(self._last_rows.get(key, wanted), wanted))
                self._queues[key] = queue
            if queue.rows + task.rows > parameters.max_enqueued_batches * parameters.max_batch_size:
                message = "The batch scheduling queue to which this task was submitted is full"
                raise ServingError(Code.UNAVAILABLE, message)
            task.arrived = time.monotonic()
            queue.tasks.append(task)
            queue.rows += task.rows
            if len(self._threads) < self.parameters.num_batch_threads:
                thread = threading.Thread(target=self._work, name=f"batch_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            elif len(queue.tasks) == 1 or queue.rows >= queue.full > queue.rows - task.rows:
                self._change.notify()  # else whoever was woken for those before will find this one too

    def run(self, key: Hashable, task: Task, execute: Execute, parameters: BatchingParameters | None = None) -> None:
        """Runs a task as :meth:`submit` does, and waits for it.

        Raises:
          ServingError: what :meth:`submit` raises, DEADLINE_EXCEEDED, or what the task failed with.
        """
        finished, done = threading.Event(), task.done

        def finish() -> None:
            done()
            finished.set()

        task.done = finish
        self.submit(key, task, execute, parameters)
        if not finished.wait(None if task.deadline is None else max(task.deadline - time.monotonic(), 0.0)):
            raise _too_late()
        if task.error is not None:
            raise task.error

    def close(self) -> None:
        """Refuses further tasks; those that wait are still run."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _work(self) -> None:
        """Runs batches, on a thread of the scheduler."""
        while True:
            with self._change:
                found = self._next()
            if found is None:
                return
            execute, batch = found
            now = time.monotonic()
            late = [task for task in batch if task.deadline is not None and task.deadline <= now]
            for task in late:
                task.error = _too_late()
            batch = [task for task in batch if task.error is None] if late else batch
            try:
                if batch:
                    execute(batch)
            except BaseException as error:
                for task in batch:
                    task.error = error
            for task in late + batch:
                task.done()

    def _next(self) -> tuple[Execute, list[Task]] | None:
        """Waits for a batch and takes it; None at the end. Called with the lock held."""
        while True:
            now = time.monotonic()
            ready = [key for key, queue in self._queues.items() if self._closed or queue.due() <= now]
            if ready:
                return self._take(min(ready, key=lambda key: self._queues[key].tasks[0].arrived))
            if self._closed:
                return None
            first_due = min((queue.due() for queue in self._queues.values()), default=None)
            self._change.wait(None if first_due is None else first_due - now)

    def _take(self, key: Hashable) -> tuple[Execute, list[Task]]:
        queue = self._queues[key]
        batch = queue.take()
        if queue.parameters.batch_timeout_s:
            queue.full = sum(task.rows for task in batch)
            if len(self._last_rows) >= _MAX_REMEMBERED:
                self._last_rows.clear()
            self._last_rows[key] = queue.full
        if not queue.tasks:
            del self._queues[key]
        else:
            self._change.notify()  # the rest may be for another thread
        return queue.execute, batch


def _too_late() -> ServingError:
    return ServingError(Code.DEADLINE_EXCEEDED, "The time for the request was over before its batch was run.")
