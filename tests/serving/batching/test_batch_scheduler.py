"""The scheduler of batches alone: what runs when, and together with what."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.contract.errors import ServingError
from serving.server.batching import scheduler as batch_scheduler
from serving.server.batching.parameters import BatchingParameters
from serving.server.batching.scheduler import BatchScheduler, Task
from serving.server.event_loop import EventLoop


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    events = EventLoop("test")
    events.start()
    yield events.loop
    events.stop()


def _task(rows: int = 1, seconds: float | None = None) -> Task:
    return Task([], rows, None if seconds is None else time.monotonic() + seconds)


def test_the_scheduler_never_runs_more_than_it_may_and_loses_nothing(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(
        BatchingParameters(max_batch_size=8, num_batch_threads=2, max_enqueued_batches=1000), loop
    )
    lock, running, most, sizes, done = threading.Lock(), 0, 0, [], []

    def execute(tasks: list[Task]) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            sizes.append(sum(task.rows for task in tasks))
        time.sleep(0.001)
        with lock:
            running -= 1

    def call(number: int) -> None:
        task = _task(1 + number % 3)
        task.done = lambda: done.append(number)
        scheduler.run(number % 2, [task], execute)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(call, range(2000)))
    assert sorted(done) == list(range(2000))
    assert most == 2
    assert max(sizes) <= 8
    assert sum(sizes) == sum(1 + number % 3 for number in range(2000))
    assert len(sizes) < 1500  # they did share batches


def test_a_batch_waits_for_a_short_one_and_not_for_a_long_one(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = BatchScheduler(BatchingParameters(num_batch_threads=2), loop)
    entered, leave = threading.Event(), threading.Event()

    def slowly(tasks: list[Task]) -> None:
        entered.set()
        leave.wait(60)

    long = threading.Thread(target=scheduler.run, args=("k", [_task()], slowly))
    long.start()
    entered.wait(10)
    for _ in range(3):
        scheduler.run(
            "k", [_task(seconds=30)], lambda tasks: None
        )  # each alone: nothing comes after it to wake a thread
    assert long.is_alive()
    leave.set()
    long.join()

    monkeypatch.setattr(batch_scheduler, "_OVERLAP_S", 60.0)
    running, most, rows = 0, 0, 0

    def shortly(tasks: list[Task]) -> None:
        nonlocal running, most, rows
        running += 1
        most = max(most, running)
        rows += len(tasks)
        time.sleep(0.001)
        running -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: scheduler.run("k", [_task()], shortly), range(500)))
    assert (most, rows) == (1, 500)


def test_a_full_queue_and_a_deadline(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(max_batch_size=1, max_enqueued_batches=1, num_batch_threads=1), loop)
    entered, leave, executed = threading.Event(), threading.Event(), []

    def slowly(tasks: list[Task]) -> None:
        executed.extend(tasks)
        entered.set()
        leave.wait(10)

    first = threading.Thread(target=scheduler.run, args=("k", [_task()], slowly))
    first.start()
    entered.wait(10)
    late = _task(seconds=0.05)
    with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        scheduler.run("k", [late], slowly)
    with pytest.raises(ServingError, match="The batch scheduling queue to which this task was submitted is full"):
        scheduler.run("k", [_task()], slowly)
    leave.set()
    first.join()
    scheduler.run("k", [_task()], slowly)
    assert late not in executed  # nobody waits for it any more
    assert len(executed) == 2


def test_an_execution_that_fails_fails_its_tasks_alone(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(), loop)

    def fail(tasks: list[Task]) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        scheduler.run("k", [_task()], fail)
    scheduler.run("k", [_task()], lambda tasks: None)


def test_what_waits_is_run_before_the_end_and_nothing_after_it(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(batch_timeout_s=60), loop)
    executed: list[Task] = []
    waiting = _task()
    loop.call_soon_threadsafe(scheduler.submit, "k", [waiting], executed.extend)
    scheduler.close()
    deadline = time.monotonic() + 120
    while not executed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert executed == [waiting]
    with pytest.raises(ServingError, match="UNAVAILABLE: The server is stopping"):
        scheduler.run("k", [_task()], executed.extend)


def test_a_batch_waits_for_as_many_as_came_before(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(batch_timeout_s=2, max_batch_size=100), loop)
    sizes: list[int] = []

    def rounds(callers: int, times: int) -> float:
        def call() -> None:
            for _ in range(times):
                scheduler.run("k", [_task()], lambda tasks: sizes.append(len(tasks)))

        threads = [threading.Thread(target=call) for _ in range(callers)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - begin

    rounds(4, 20)
    assert sizes == [4] * 20  # the first waited its time for more, the others no longer than for four
    rounds(1, 1)  # waits its time for three that have gone
    sizes.clear()
    assert rounds(1, 20) < 40  # and then for nobody: 20 timeouts would be 40 s
    assert sizes == [1] * 20


def test_a_caller_who_is_alone_is_mostly_answered_on_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(), loop)
    threads: list[str] = []

    def execute(tasks: list[Task]) -> None:
        threads.append(threading.current_thread().name)

    for _ in range(64):
        scheduler.run("k", [_task()], execute)
    on_loop = threads.count("test")
    assert 48 <= on_loop < 64
    assert threads[0] != "test"  # nothing was known of it

    def slowly(tasks: list[Task]) -> None:
        execute(tasks)
        time.sleep(0.01)

    threads.clear()
    for _ in range(20):
        scheduler.run("k", [_task()], slowly)
    assert threads.count("test") <= 1  # the loop is not held up twice
    threads.clear()
    with ThreadPoolExecutor(16) as pool:  # who is not alone shares batches all the same
        list(pool.map(lambda _: scheduler.run("k", [_task()], slowly), range(320)))
    assert len(threads) < 160


def test_many_pieces_of_a_caller_who_is_alone(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(max_execution_batch_size=1, max_enqueued_batches=5000), loop)
    executed: list[Task] = []
    for _ in range(40):
        scheduler.run("k", [_task()], executed.extend)
    for pieces in (2, 3, 2000):
        executed.clear()
        tasks = [_task() for _ in range(pieces)]
        scheduler.run("k", tasks, executed.extend)
        assert executed == tasks


def test_many_kinds_that_wait_for_one_thread(loop: asyncio.AbstractEventLoop) -> None:
    scheduler = BatchScheduler(BatchingParameters(num_batch_threads=1), loop)
    counts = [0] * 500

    def count(number: int) -> None:
        counts[number] += 1

    for _ in range(2):
        for number in range(500):
            scheduler.run(number, [_task()], lambda tasks, n=number: count(n))
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda n: scheduler.run(n % 500, [_task()], lambda tasks: count(n % 500)), range(2000)))
    assert counts == [6] * 500
