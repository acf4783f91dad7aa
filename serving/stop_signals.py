"""The signals that tell a server to stop."""

import os
import signal
import threading
from collections.abc import Callable


def call_when_told_to_stop(act: Callable[[], None]) -> None:
    """Has a function called, on a thread, at the first SIGTERM or SIGINT.

    The interpreter runs a signal's Python handler on the main thread alone, once that returns from what it waits for. A
    signal that another thread takes, or that comes just before the main thread begins to wait, would be noticed at the
    next one only. The byte in the pipe is written at once, by whichever thread takes the signal.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: None)

    def wait() -> None:
        os.read(reading, 1)
        act()

    threading.Thread(target=wait, name="signals", daemon=True).start()
