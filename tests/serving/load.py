"""Callers that never stop, for tests of what must not fail under load."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from charseq_client import Client

# As `charseq serve` starts it, but for models that bring no parameters of their own: these share batches as well.
QUICK = (
    *("--file_system_poll_wait_seconds=0.05", "--max_num_load_retries=0", "--enable_batching"),
    *("--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=-1"),
)


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


def checked_version(client: Client, label: str | None = None) -> int:
    """Asks; returns the version named in the answer after checking that it is the one that made the answer."""
    prediction = client.predict({"text": ["ab"]}, model="shout", label=label)
    # Folder N holds the model that says 1 + (N - 1) % 3.
    expected = [f"{1 + (prediction.version - 1) % 3}:ab:AB"]
    assert prediction.strings("text") == expected, (prediction.version, prediction.strings("text"))
    return prediction.version
