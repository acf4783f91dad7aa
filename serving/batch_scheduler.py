"""Which requests run together: a queue per kind of request, and threads that take batches from the queues.

Batches grow by themselves to what arrives while the ones before are computed. With a timeout, a batch waits for as many
rows as were in the server when the one before it ended, its own and those that came meanwhile: a steady number of callers
sends as many again. So a caller who is alone waits for nobody, and many callers share few batches.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from serving.batching_parameters import BatchingParameters
from serving.errors import Code, ServingError

# Kinds of request of which is remembered how many rows to expect. A kind that is forgotten waits its whole timeout, once.
_MAX_REMEMBERED = 1000

# How long a batch waits for another of its kind that runs, if it is not full. Batches that are over sooner gain nothing from
# running side by side: their threads take the interpreter from each other, and each pays for its own run of the graph.
_OVERLAP_S = 0.01


@dataclass(eq=False, slots=True)
class Task:
    """One request that may run with others of its kind.

    Attributes:
      inputs: Alias and ``TensorProto`` of each input.
      rows: Size of the first dimension of all of them.
      deadline: When the caller gives up, on ``time.monotonic()``; None for never.
      done: Called once, when the task was run or has failed, on the thread that did.
      arrived: When it was enqueued.
      results: What it was answered with, if it has not failed.
      error: Why it failed.
    """

    inputs: list[tuple[str, Any]]
    rows: int
    deadline: float | None
    done: Callable[[], None] = lambda: None
    arrived: float = 0.0
    results: Any = None
    error: BaseException | None = None


Execute = Callable[[list[Task]], None]


@dataclass(eq=False, slots=True)
class _Queue:
    """Tasks of one kind that wait; what runs them, and when."""

    tasks: deque[Task]
    execute: Execute
    parameters: BatchingParameters
    rows: int = 0
    full: int = 0  # rows that are expected

    def enough(self, running: int) -> int:
        """Returns the rows that are run at once, if `running` other batches of the kind are."""
        return self.parameters.max_batch_size if running else self.full

    def due(self, running: int) -> float:
        """Returns when the next batch should be run, on ``time.monotonic()``."""
        if self.rows >= self.enough(running):
            return 0.0
        wait_s = self.parameters.batch_timeout_s
        return self.tasks[0].arrived + (max(wait_s, _OVERLAP_S) if running else wait_s)

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
        self._expected: dict[Hashable, int] = {}  # rows of the next batch
        self._running: Counter[Hashable] = Counter()
        self._watched = False  # whether a thread will see what waits too long for a running batch
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, key: Hashable, task: Task, execute: Execute, parameters: BatchingParameters | None = None) -> None:
        """Enqueues a task, to be run alone or with others; its ``done`` is called when that has happened.

        Args:
          key: Tasks with the same key may run together.
          task: The task.
          execute: Runs a list of tasks: sets the results or the error of each.
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
                queue = _Queue(deque(), execute, parameters, full=min(self._expected.get(key, wanted), wanted))
                self._queues[key] = queue
            if queue.rows + task.rows > parameters.max_enqueued_batches * parameters.max_batch_size:
                message = "The batch scheduling queue to which this task was submitted is full"
                raise ServingError(Code.UNAVAILABLE, message)
            task.arrived = time.monotonic()
            queue.tasks.append(task)
            queue.rows += task.rows
            running = self._running[key]
            begins = len(queue.tasks) == 1 and not running
            fills = queue.rows - task.rows < queue.enough(running) <= queue.rows
            if len(self._threads) < self.parameters.num_batch_threads:
                thread = threading.Thread(target=self._work, name=f"batch_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            elif begins or fills:
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
            key, queue, batch = found
            now = time.monotonic()
            late = [task for task in batch if task.deadline is not None and task.deadline <= now]
            for task in late:
                task.error = _too_late()
            batch = [task for task in batch if task.error is None] if late else batch
            try:
                if batch:
                    queue.execute(batch)
            except BaseException as error:
                for task in batch:
                    task.error = error
            self._end(key, queue, sum(task.rows for task in batch))
            for task in late + batch:
                task.done()

    def _next(self) -> tuple[Hashable, _Queue, list[Task]] | None:
        """Waits for a batch and takes it; None at the end. Called with the lock held."""
        while True:
            now = time.monotonic()
            ready = [key for key, queue in self._queues.items() if self._closed or queue.due(self._running[key]) <= now]
            if ready:
                return self._take(min(ready, key=lambda key: self._queues[key].tasks[0].arrived))
            if self._closed:
                return None
            times = [queue.due(self._running[key]) for key, queue in self._queues.items()]
            if self._running and not self._watched:
                # Nobody is woken for what arrives while one of its kind runs.
                self._watched = True
                self._change.wait(min([now + _OVERLAP_S, *times]) - now)
                self._watched = False
            else:
                self._change.wait(min(times) - now if times else None)

    def _take(self, key: Hashable) -> tuple[Hashable, _Queue, list[Task]]:
        queue = self._queues[key]
        batch = queue.take()
        self._running[key] += 1
        if not queue.tasks:
            del self._queues[key]
        if queue.tasks or not self._watched:
            self._change.notify()  # the rest may be for another thread
        return key, queue, batch

    def _end(self, key: Hashable, queue: _Queue, rows: int) -> None:
        """Notes that a batch of `rows` rows is over, and so what the next of its kind waits for."""
        with self._change:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
            if not queue.parameters.batch_timeout_s:
                return
            waiting = self._queues.get(key)
            expected = min(rows + (waiting.rows if waiting else 0), queue.parameters.max_batch_size)
            if waiting:
                waiting.full = expected
            if len(self._expected) >= _MAX_REMEMBERED:
                self._expected.clear()
            self._expected[key] = expected


def _too_late() -> ServingError:
    return ServingError(Code.DEADLINE_EXCEEDED, "The time for the request was over before its batch was run.")
