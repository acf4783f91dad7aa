"""Which requests run together: a queue per kind of request, and as many batches at a time as there are batch threads.

No threads of its own: a caller that finds a free slot leads, which means that it takes what is waiting and runs it
for all of them; callers that find none wait. A leader whose own request is answered hands its slot to the first caller
that waits. With one caller this costs no thread switch, and with many the batches grow by themselves to what arrives
while the ones before are computed.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from serving.batching_parameters import BatchingParameters
from serving.errors import Code, ServingError


@dataclass(eq=False, slots=True)
class Task:
    """One request that may run with others of its kind.

    Attributes:
      inputs: Alias and ``TensorProto`` of each input.
      rows: Size of the first dimension of all of them.
      outputs: Where the answer goes: map of alias to ``TensorProto``.
      deadline: When the caller gives up, on ``time.monotonic()``; None for never.
      arrived: When it was enqueued.
      error: Why it failed.
      done: Whether it was run.
      leads: Whether its caller is to lead.
    """

    inputs: list[tuple[str, Any]]
    rows: int
    outputs: Any
    deadline: float | None
    arrived: float = 0.0
    error: BaseException | None = None
    done: bool = False
    leads: bool = False
    _wake: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._wake.acquire()

    def wait(self) -> bool:
        """Waits for :meth:`wake`; False if the deadline came first."""
        left = -1.0 if self.deadline is None else max(self.deadline - time.monotonic(), 0.0)
        return bool(self._wake.acquire(timeout=left))

    def wake(self) -> None:
        """Lets the caller look at what has become of its task. Called with the scheduler's lock held."""
        if self._wake.locked():
            self._wake.release()


Execute = Callable[[list[Task]], None]


class BatchScheduler:
    """Brings tasks together. Safe from many threads at a time."""

    def __init__(self, parameters: BatchingParameters) -> None:
        """Begins with empty queues.

        Args:
          parameters: For all models that bring none of their own, but for the batch threads, which all share.
        """
        self.parameters = parameters
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)
        self._queues: dict[Hashable, deque[Task]] = {}
        self._running = 0

    def run(self, key: Hashable, task: Task, execute: Execute, parameters: BatchingParameters | None = None) -> None:
        """Runs a task, alone or with others.

        Args:
          key: Tasks with the same key may run together.
          task: The task.
          execute: Runs a list of tasks: fills their outputs, or sets their error. It must not raise.
          parameters: For tasks of this key; the scheduler's by default.

        Raises:
          ServingError: UNAVAILABLE, too many are waiting; DEADLINE_EXCEEDED; or what the task failed with.
        """
        parameters = parameters or self.parameters
        with self._lock:
            queue = self._queues.setdefault(key, deque())
            limit = parameters.max_enqueued_batches * parameters.max_batch_size
            if sum(waiting.rows for waiting in queue) + task.rows > limit:
                raise ServingError(
                    Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full"
                )
            task.arrived = time.monotonic()
            queue.append(task)
            task.leads = self._running < self.parameters.num_batch_threads
            self._running += task.leads
            if not task.leads and parameters.batch_timeout_s:
                self._arrival.notify_all()
        while not task.done:
            if task.leads:
                self._lead(key, task, execute, parameters)
            elif not task.wait():
                self._give_up(key, task)
        with self._lock:
            if task.leads:  # chosen in the moment in which another leader ran it
                self._hand_on(task)
        if task.error is not None:
            raise task.error

    def _lead(self, key: Hashable, own: Task, execute: Execute, parameters: BatchingParameters) -> None:
        """Runs batches until the own task is taken, by this leader or another, then hands the slot on."""
        while batch := self._take(key, own, parameters):
            try:
                execute(batch)
            except BaseException as error:
                for task in batch:
                    task.error = error
            with self._lock:
                for task in batch:
                    task.done = True
                    if task is not own:
                        task.wake()
        with self._lock:
            self._hand_on(own)

    def _take(self, key: Hashable, own: Task, parameters: BatchingParameters) -> list[Task]:
        """Takes the next batch of a queue, after waiting for it to fill up if that is wanted.

        Returns:
          The batch; nothing if the leader's own task is in the queue no more.
        """
        most, patience = parameters.max_batch_size, parameters.batch_timeout_s
        with self._lock:
            while True:
                queue = self._queues.get(key, deque())
                if own not in queue:
                    return []
                left = queue[0].arrived + patience - time.monotonic() if patience else 0.0
                if left <= 0 or sum(task.rows for task in queue) >= most:
                    break
                self._arrival.wait(left)
            batch = [queue.popleft()]
            rows = batch[0].rows
            while queue and rows + queue[0].rows <= most:
                rows += queue[0].rows
                batch.append(queue.popleft())
            if not queue:
                del self._queues[key]
            return batch

    def _hand_on(self, leader: Task) -> None:
        """Makes the caller that has waited longest the next leader; frees the slot if none waits."""
        leader.leads = False
        heads = [queue[0] for queue in self._queues.values() if queue and not queue[0].leads]
        if not heads:
            self._running -= 1
            return
        chosen = min(heads, key=lambda task: task.arrived)
        chosen.leads = True
        chosen.wake()

    def _give_up(self, key: Hashable, task: Task) -> None:
        """Ends a task whose deadline has passed."""
        with self._lock:
            if task.done or task.leads:
                return  # it was woken in this very moment
            queue = self._queues.get(key)
            if queue is not None and task in queue:
                queue.remove(task)
                if not queue:
                    del self._queues[key]
            # One that is being run is left to its leader; nobody reads what becomes of it.
            raise ServingError(Code.DEADLINE_EXCEEDED, "The time for the request was over before its batch was run.")
