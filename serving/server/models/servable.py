"""A loaded model that counts its users, so that it is freed when the last of them is done and not before."""

import threading
from types import TracebackType
from typing import Self

from serving.server.models.saved_model import SavedModel


class Servable:
    """One loaded version of one model.

    A request enters it as a context manager after :meth:`acquire` said yes, and leaves it at the end. :meth:`retire`
    waits for all of them and frees the model.

    Attributes:
      name: The model's name.
      version: Its version.
      model: The SavedModel.
    """

    def __init__(self, name: str, version: int, model: SavedModel) -> None:
        self.name = name
        self.version = version
        self.model = model
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)

    def acquire(self) -> bool:
        """Registers a user. Returns False if the model is being freed: look for another one."""
        with self._lock:
            if self._retired:
                return False
            self._users += 1
            return True

    def release(self) -> None:
        """Ends the use that :meth:`acquire` began."""
        with self._lock:
            self._users -= 1
            if self._retired and not self._users:
                self._idle.notify_all()

    def retire(self, timeout_s: float | None = None) -> bool:
        """Takes no more users, waits until those inside are done, and frees the model.

        Args:
          timeout_s: Longest wait in seconds; None for no limit.

        Returns:
          False if users were left after that; the model is then not freed.
        """
        with self._idle:
            self._retired = True
            if not self._idle.wait_for(lambda: not self._users, timeout_s):
                return False
        self.model.close()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
