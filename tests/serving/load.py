"""Callers that never stop, for tests of what must not fail under load."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Load:
    """What the callers have seen.

    Attributes:
      answered: Return values with their counts.
      failures: Exceptions.
    """

    answered: dict[int, int] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, version: int) -> None:
        with self.lock:
            self.answered[version] = self.answered.get(version, 0) + 1


@contextmanager
def load(callers: int, call: Callable[[], int]) -> Iterator[Load]:
    """Runs `call` in a loop on `callers` threads for as long as the `with` statement lasts."""
    seen, stop = Load(), threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                seen.note(call())
            except Exception as error:
                seen.failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()
