"""Where the runs of a sweep write: a folder, or a disk of its own whose machine can lose its power."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path


class Folder:
    """A folder. A process that is killed loses nothing of what it has written.

    Attributes:
      root: The folder.
    """

    def __init__(self, place):
        self._place = Path(place)
        self.root = self._place / "killed"
        self.root.mkdir()

    def save(self):
        """Keeps the content as it is now."""
        shutil.rmtree(self._place / "saved", ignore_errors=True)
        shutil.copytree(self.root, self._place / "saved", symlinks=True)

    def restore(self):
        """Brings back what was kept."""
        shutil.rmtree(self.root)
        shutil.copytree(self._place / "saved", self.root, symlinks=True)

    def close(self):
        """Does nothing: the folder above is removed."""


class Disk:
    """An ext4 file system in a file. What the kernel had not written to it is lost when the power fails.

    The file is what the disk has: pages that no fsync has asked for stay in memory for half a minute, and longer than a run
    of the sweep takes. Names are written with the journal, which every fsync writes and otherwise nobody for ten minutes.

    Attributes:
      root: A folder on it.
    """

    def __init__(self, place):
        """Makes and mounts it.

        Raises:
          PermissionError: That needs the superuser, and a loop device.
        """
        self._place = Path(place)
        self._image, self._mount = self._place / "disk", self._place / "mounted"
        self.root = self._mount / "killed"
        self._mount.mkdir()
        with open(self._image, "wb") as file:
            file.truncate(300 << 20)
        _call("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image)
        self._mount_it()
        self.root.mkdir()
        subprocess.run(["sync", "-f", str(self._mount)], check=True)

    def cut(self):
        """Cuts the power: what was not written to the disk is lost."""
        self._copy(self._image, self._place / "left")
        self._bring(self._place / "left")

    def save(self):
        """Keeps the content as it is now."""
        subprocess.run(["sync", "-f", str(self._mount)], check=True)
        self._copy(self._image, self._place / "saved")

    def restore(self):
        """Brings back what was kept."""
        self._bring(self._place / "saved")

    def close(self):
        """Unmounts it."""
        _call("umount", "-l", self._mount)

    def _mount_it(self):
        # Without noauto_da_alloc ext4 writes a file through when it is renamed over another, which other file systems do not.
        _call("mount", "-t", "ext4", "-o", "loop,commit=600,noauto_da_alloc,discard", self._image, self._mount)

    def _bring(self, source):
        _call("umount", "-l", self._mount)
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._image)  # an unmount that is late writes into the removed one
        self._copy(source, self._image)
        self._mount_it()

    @staticmethod
    def _copy(source, target):
        _call("cp", "--sparse=always", source, target)


def _call(*command):
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise PermissionError(f"{' '.join(map(str, command))}: {ended.stderr.strip()}")
