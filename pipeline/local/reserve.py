"""Space that a run keeps back, so that on a full disk it can still be noted why it ended, and its report be written."""

import contextlib
import os
from collections.abc import Sequence

from pipeline.file_errors import DiskFullError, describe_disk_full, is_disk_full

# A report has 100 to 300 KB; a note in ML Metadata rewrites a few pages of 4 KB, and their journal.
_BYTES = 1 << 20


class Reserve:
    """A file of nothing in the root, given back when the space is needed."""

    def __init__(self, root: str, folders: Sequence[str]):
        """Takes the space.

        Args:
          root: Folder of the file; it is there.
          folders: Those that a run writes to, for the message.

        Raises:
          DiskFullError: There is no such space.
        """
        self._path = os.path.join(root, ".reserve")
        self._folders = folders
        try:
            with open(self._path, "wb") as file:
                file.write(bytes(_BYTES))
        except OSError as error:
            if not is_disk_full(error):
                raise
            self.release()
            raise self.error() from None

    def release(self) -> None:
        """Gives the space back."""
        # On a disk that has become read-only it stays; the next run replaces it.
        with contextlib.suppress(OSError):
            os.remove(self._path)

    def error(self) -> DiskFullError:
        """Returns what to say of a disk that is full."""
        return DiskFullError(describe_disk_full(self._folders))
