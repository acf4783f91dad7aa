"""Which requests run together: a queue per kind of request, on an event loop, and threads that run batches from the queues.

Batches grow by themselves to what arrives while the ones before are computed. With a timeout, a batch waits for as many
rows as were in the server when the one before it ended, its own and those that came meanwhile: a steady number of callers
sends as many again. So a caller who is alone waits for nobody, and many callers share few batches.

All but the batches themselves is done by the loop that reads the requests: threads that need the interpreter at the same time
take it from each other at every turn, which costs more than the work.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

from serving.contract.errors import Code, ServingError
from serving.server.batching.parameters import BatchingParameters

# Kinds of request of which is remembered how many rows to expect. A kind that is forgotten waits its whole timeout, once.
_MAX_REMEMBERED = 1000

# How long a batch waits for another of its kind that runs, if it is not full. Batches that are over sooner gain nothing from
# running side by side: each pays for its own run of the graph.
_OVERLAP_S = 0.01

# A caller who is alone is answered on the loop itself, if the last batch of the kind was that quick: to hand a request to a
# thread and back takes as long as a small model does. Every so many runs are on a thread again, during which others who are
# there now show.
_QUICK_S = 0.002
_QUICK_RUNS = 15

# The timers of uvloop go by milliseconds, so that one may end a little early: the rest is a tick, not a loop without rest.
_TICK_S = 0.001


@dataclass(eq=False, slots=True)
class Task:
    """A request, or a piece of a large one, that may run with others of its kind.

    Attributes:
      inputs: Alias and ``TensorProto`` of each input.
      rows: Size of the first dimension of all of them.
      deadline: When the caller gives up, on ``time.monotonic()``; None for never.
      done: Called once, on the event loop, when the task was run or has failed.
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


def call_when_done(tasks: Sequence[Task], done: Callable[[], None]) -> None:
    """Has a function called, on the event loop, when the last of some tasks is over; what a task calls itself comes first."""
    left = len(tasks)

    def count(before: Callable[[], None]) -> None:
        nonlocal left
        before()
        left -= 1
        if not left:
            done()

    for task in tasks:
        task.done = partial(count, task.done)


@dataclass(eq=False, slots=True)
class _Queue:
    """Tasks of one kind that wait or run; what runs them, and when."""

    key: Hashable
    execute: Execute
    parameters: BatchingParameters
    expected: int  # rows
    tasks: deque[Task] = field(default_factory=deque)
    rows: int = 0
    running: int = 0  # batches
    quick_runs: int = 0  # how many of the next batches may be run on the loop
    timer: asyncio.TimerHandle | None = None

    def due(self) -> float:
        """Returns when the next batch should be run, on ``time.monotonic()``."""
        wait_s = self.parameters.batch_timeout_s
        if self.running:
            return self.tasks[0].arrived + max(wait_s, _OVERLAP_S)
        return self.tasks[0].arrived + wait_s

    def full(self) -> bool:
        """Says whether the next batch should be run at once."""
        return self.rows >= (self.parameters.rows_in_batch if self.running else self.expected)

    def take(self) -> list[Task]:
        """Takes the next batch off the queue."""
        batch = [self.tasks.popleft()]
        rows = batch[0].rows
        while self.tasks and rows + self.tasks[0].rows <= self.parameters.rows_in_batch:
            rows += self.tasks[0].rows
            batch.append(self.tasks.popleft())
        self.rows -= rows
        return batch


# What one thread runs; None at the end.
_Batches = SimpleQueue[tuple[_Queue, list[Task]] | None]


class BatchScheduler:
    """Brings tasks together. Its threads begin with the first batch."""

    def __init__(self, parameters: BatchingParameters, loop: asyncio.AbstractEventLoop) -> None:
        """Begins with empty queues.

        Args:
          parameters: For all models that bring none of their own, but for the batch threads, which all share.
          loop: The event loop that tasks are submitted on. It has to run until :meth:`close` and the last task's end.
        """
        self.parameters = parameters
        self._loop = loop
        self._queues: dict[Hashable, _Queue] = {}
        # For kinds without waiting requests: rows of the next batch, and how many may be run on the loop.
        self._known: dict[Hashable, tuple[int, int]] = {}
        self._ready: dict[_Queue, None] = {}  # in order: those that wait for a thread
        self._idle: list[_Batches] = []  # of threads; the last to end is the next to begin: its caches are warm
        self._running = 0
        self._closed = False

    def submit(
        self,
        key: Hashable,
        tasks: Sequence[Task],
        execute: Execute,
        parameters: BatchingParameters | None = None,
    ) -> None:
        """Enqueues the tasks of a request, to be run alone or with others; ``done`` of each is called when it was run.

        To be called on the event loop.

        Args:
          key: Tasks with the same key may run together.
          tasks: The tasks, each of at most as many rows as a batch; all of them are taken, or none.
          execute: Runs a list of tasks, on a thread: sets the results or the error of each.
          parameters: For tasks of this key; the scheduler's by default.

        Raises:
          ServingError: UNAVAILABLE, too many are waiting, or the scheduler is closed.
        """
        if self._closed:
            raise ServingError(Code.UNAVAILABLE, "The server is stopping.")
        parameters = parameters or self.parameters
        queue = self._queues.get(key)
        rows = sum([task.rows for task in tasks])
        if (queue.rows if queue else 0) + rows > parameters.most_waiting_rows:
            message = "The batch scheduling queue to which this task was submitted is full"
            raise ServingError(Code.UNAVAILABLE, message)
        if queue is None:
            most = parameters.rows_in_batch if parameters.batch_timeout_s else 0
            expected, quick_runs = self._known.get(key, (most, 0))
            queue = _Queue(key, execute, parameters, min(expected, most), quick_runs=quick_runs)
            self._queues[key] = queue
        now = time.monotonic()
        queue.execute = execute
        for task in tasks:
            task.arrived = now
            queue.tasks.append(task)
        queue.rows += rows
        if queue.timer is None or queue.full():
            self._check(queue)

    def run(
        self,
        key: Hashable,
        tasks: Sequence[Task],
        execute: Execute,
        parameters: BatchingParameters | None = None,
    ) -> None:
        """Runs tasks as :meth:`submit` does, and waits for them. To be called on any thread but the event loop's.

        Raises:
          ServingError: what :meth:`submit` raises, DEADLINE_EXCEEDED, or what the first of the tasks failed with.
        """
        finished = Future[None]()
        call_when_done(tasks, lambda: finished.set_result(None))

        def begin() -> None:
            try:
                self.submit(key, tasks, execute, parameters)
            except ServingError as error:
                finished.set_exception(error)

        self._loop.call_soon_threadsafe(begin)
        deadline = tasks[0].deadline
        try:
            finished.result(None if deadline is None else max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            raise _too_late() from None
        for task in tasks:
            if task.error is not None:
                raise task.error

    def close(self) -> None:
        """Refuses further tasks; those that wait are still run. To be called on any thread."""
        self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._closed = True
        for queue in list(self._queues.values()):
            self._check(queue)
        self._end_threads()

    def _end_threads(self) -> None:
        if self._closed and not self._queues:
            while self._idle:
                self._idle.pop().put(None)

    def _check(self, queue: _Queue) -> None:
        """Runs the next batch of a queue, or sees to it that it is looked at again."""
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        while queue.tasks and queue not in self._ready:
            wait_s = queue.due() - time.monotonic()
            if wait_s > 0 and not queue.full() and not self._closed:
                queue.timer = self._loop.call_later(max(wait_s, _TICK_S), self._check, queue)
                return
            if self._running >= self.parameters.num_batch_threads:
                self._ready[queue] = None
                return
            self._begin(queue)

    def _begin(self, queue: _Queue) -> None:
        """Runs a batch of a queue: on a thread, or here if it is a quick one of a caller who is alone."""
        batch = queue.take()
        queue.running += 1
        self._running += 1
        nobody_waits = self._running == 1 and not queue.tasks and not self._ready
        if queue.quick_runs and len(batch) == 1 and nobody_waits and not self._closed:
            seconds = _run(queue, batch)
            queue.quick_runs = queue.quick_runs - 1 if seconds <= _QUICK_S else 0
            self._over(queue, batch)
            return
        if self._idle:
            batches = self._idle.pop()
        else:
            batches = SimpleQueue()
            threading.Thread(target=self._work, args=(batches,), name=f"batch_{self._running}", daemon=True).start()
        batches.put((queue, batch))

    def _work(self, batches: _Batches) -> None:
        """Runs batches, on a thread of the scheduler."""
        while True:
            found = batches.get()
            if found is None:
                return
            queue, batch = found
            seconds = _run(queue, batch)
            with contextlib.suppress(RuntimeError):  # the loop has ended, and whoever waited with it
                self._loop.call_soon_threadsafe(self._end, batches, queue, batch, seconds)

    def _end(self, batches: _Batches, queue: _Queue, batch: list[Task], seconds: float) -> None:
        """Takes a thread back whose batch is over."""
        self._idle.append(batches)
        alone = len(batch) == 1 and not queue.tasks and self._running == 1
        queue.quick_runs = _QUICK_RUNS if alone and seconds <= _QUICK_S else 0
        self._over(queue, batch)

    def _over(self, queue: _Queue, batch: list[Task]) -> None:
        """Answers a batch that is over, and notes what the next of its kind waits for."""
        queue.running -= 1
        self._running -= 1
        if queue.parameters.batch_timeout_s:
            rows = sum([task.rows for task in batch]) + queue.rows
            queue.expected = min(rows, queue.parameters.rows_in_batch)
        for task in batch:
            task.done()
        self._check(queue)
        if not queue.tasks and not queue.running and queue.key in self._queues:
            del self._queues[queue.key]
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[queue.key] = queue.expected, queue.quick_runs
        for ready in list(self._ready):
            if self._running >= self.parameters.num_batch_threads:
                break
            del self._ready[ready]
            self._begin(ready)
            self._check(ready)
        self._end_threads()


def _run(queue: _Queue, batch: list[Task]) -> float:
    """Runs a batch but for the tasks that nobody waits for any more; returns how long that took, in seconds."""
    started = time.monotonic()
    for task in batch:
        if task.deadline is not None and task.deadline <= started:
            task.error = _too_late()
    in_time = [task for task in batch if task.error is None]
    try:
        if in_time:
            queue.execute(in_time)
    except BaseException as error:
        for task in in_time:
            task.error = error
    return time.monotonic() - started


def _too_late() -> ServingError:
    return ServingError(Code.DEADLINE_EXCEEDED, "The time for the request was over before its batch was run.")
