"""A test double of a machine whose power fails: what was not written through to the disk is lost.

The model is POSIX's, the most that a disk may lose: a file's content is there as it was at its last fsync, and a name (a new
file, a rename) as its folder had it at the folder's last fsync.
"""

import contextlib
import os
import stat


class PowerFailedError(BaseException):
    """The power fails now. No handler of the program runs, so it is no Exception."""


class PowerCut:
    """A folder on a disk that loses what was not synced: a context manager.

    Attributes:
      moments: Calls so far at which the power may fail: before and after each fsync and each rename.
    """

    def __init__(self, folder, monkeypatch, fails_at=None):
        """Takes what is in the folder now for safe.

        Args:
          folder: The folder.
          monkeypatch: Puts the double instead of `os.fsync`, `os.rename` and `os.replace`.
          fails_at: The moment at which the power fails; None: never.
        """
        self._folder, self._fails_at = str(folder), fails_at
        self.moments = 0
        self._contents, self._names, self._kept = {}, {}, {}
        for directory, _, names in os.walk(self._folder):
            for path in [*(os.path.join(directory, name) for name in names), directory]:
                self._synced(path)
        real = {name: getattr(os, name) for name in ("fsync", "rename", "replace")}

        def fsync(descriptor):
            self._moment()
            real["fsync"](descriptor)
            self._synced(f"/proc/self/fd/{descriptor}")
            self._moment()

        monkeypatch.setattr(os, "fsync", fsync)
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, self._renaming(real[name]))

    def _renaming(self, rename):
        def renaming(*arguments, **options):
            self._moment()
            rename(*arguments, **options)
            self._moment()

        return renaming

    def _moment(self):
        self.moments += 1
        if self.moments == self._fails_at:
            raise PowerFailedError

    def _synced(self, path):
        status = os.stat(path)
        if status.st_ino not in self._kept:  # so that the number is not given to another file
            self._kept[status.st_ino] = os.open(path, os.O_RDONLY)
        if not stat.S_ISDIR(status.st_mode):
            with open(path, "rb") as file:
                self._contents[status.st_ino] = file.read()
            return
        entries = {}
        for name in os.listdir(path):
            with contextlib.suppress(FileNotFoundError):
                inner = os.stat(os.path.join(path, name))
                entries[name] = (inner.st_ino, stat.S_ISDIR(inner.st_mode))
        self._names[status.st_ino] = entries

    def restart(self, target):
        """Writes what the disk still has into another folder; returns it."""
        self._restore(os.stat(self._folder).st_ino, str(target))
        for descriptor in self._kept.values():
            os.close(descriptor)
        self._kept = {}
        return target

    def _restore(self, number, target):
        os.makedirs(target)
        for name, (inner, is_folder) in self._names.get(number, {}).items():
            path = os.path.join(target, name)
            if is_folder:
                self._restore(inner, path)
            else:
                with open(path, "wb") as file:
                    file.write(self._contents.get(inner, b""))
