"""What one request may cost, where requests are not batched: rows, and how many large requests run at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.contract.errors import Code, ServingError, invalid_argument

# A request of more rows than this takes its turn with the others that are as large: together they would need the memory of all.
_LARGE_ROWS = 512


class RequestLimits:
    """The limits of a server's models together. Safe from many threads at a time.

    Whatever a run of the session once needed, TensorFlow's CPU allocator keeps for the life of the process. So the size of
    the largest run decides how much memory a server has.
    """

    def __init__(self, most_rows: int = 0) -> None:
        """Sets the limits up.

        Args:
          most_rows: Most rows in a request; 0 for no limit.
        """
        self._most_rows = most_rows
        self._turn = threading.Lock()

    def check(self, rows: int) -> None:
        """Refuses a request of too many rows.

        Raises:
          ServingError: INVALID_ARGUMENT.
        """
        if self._most_rows and rows > self._most_rows:
            raise invalid_argument(
                f"The request has {rows} rows; this server takes at most {self._most_rows} at a time "
                "(--max_request_rows). Send fewer rows in a request."
            )

    @contextmanager
    def turn(self, rows: int, timeout_ms: int) -> Iterator[None]:
        """Waits for the turn of a large request, which lasts as long as the ``with`` statement.

        Args:
          rows: Rows of the request; a small one does not wait.
          timeout_ms: Longest wait in milliseconds; 0 for no limit.

        Raises:
          ServingError: DEADLINE_EXCEEDED, other large requests took all of that time.
        """
        if rows <= _LARGE_ROWS:
            yield
            return
        if not self._turn.acquire(timeout=timeout_ms / 1000 if timeout_ms else -1):
            message = f"Other requests of more than {_LARGE_ROWS} rows took all of this request's time."
            raise ServingError(Code.DEADLINE_EXCEEDED, message)
        try:
            yield
        finally:
            self._turn.release()
