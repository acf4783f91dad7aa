"""An event loop on a thread of its own, for servers that the rest of the process uses from its threads."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class EventLoop:
    """Runs coroutines from :meth:`start` to :meth:`stop`."""

    def __init__(
        self, name: str, new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    ) -> None:
        """Makes the loop.

        Args:
          name: The name of its thread.
          new_event_loop: Makes the loop itself.
        """
        self.loop = new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begins to run."""
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, _Result], timeout_s: float | None = None) -> _Result:
        """Runs a coroutine on the loop, from another thread, and returns its result.

        Raises:
          TimeoutError: it took longer than ``timeout_s``, and was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        """Ends the loop and its thread."""
        if self.is_running:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
