"""Errors of file systems in a line: above all of a disk that is full, whoever notices it and however they say it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence

#: The least space that a run needs: its models stand in five folders until it is over.
NEEDED_BYTES = 64 << 20

#: The fewest files that a run needs to make.
NEEDED_FILES = 300

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# As the C library, SQLite and HDF5 say it; TensorFlow, ML Metadata and Beam pass the words on, not the number.
_FULL_WORDS = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EDQUOT),
    os.strerror(errno.EFBIG),
    "database or disk is full",
)

# As the C library and SQLite say it.
_READ_ONLY_WORDS = (os.strerror(errno.EROFS), "attempt to write a readonly database")

# What a user's own folders and limits can cause; anything else is a fault of the program, whose traceback is wanted.
_NAMED = {
    errno.EACCES,
    errno.EEXIST,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}
_OPEN_FILES = {errno.EMFILE, errno.ENFILE}


class DiskFullError(OSError):
    """A disk has too little space; the message names the folder and what is needed."""

    kind = "disk-full"
    meaning = (
        "A disk is full, or a quota is used up. What was whole is whole still; the component that met it is "
        "noted as failed."
    )
    remedy = (
        "Free space, or name other folders with --root, --serving-dir and TMPDIR. Then run again with `run.cache=true`."
    )

    def __init__(self, message: str):
        super().__init__(errno.ENOSPC, message)
        self.message = message

    def __str__(self) -> str:
        return self.message


def is_disk_full(error: BaseException | None) -> bool:
    """Returns whether an error, or what it came from, is a disk without space."""
    return any(
        getattr(part, "errno", None) in _FULL or any(words in str(part) for words in _FULL_WORDS)
        for part in error_chain(error)
    )


def lacks_files(folder: str) -> bool:
    """Returns whether the disk of a local folder cannot hold the files of a run, however much space it has."""
    status = os.statvfs(nearest_folder(folder))
    # Some file systems do not count files.
    return status.f_files > 0 and status.f_favail < NEEDED_FILES


def is_read_only(error: BaseException | None) -> bool:
    """Returns whether an error, or what it came from, is a file system that cannot be written to."""
    return any(
        getattr(part, "errno", None) == errno.EROFS or any(words in str(part) for words in _READ_ONLY_WORDS)
        for part in error_chain(error)
    )


def describe_disk_full(folders: Sequence[str]) -> str:
    """Returns what to say of a disk that is full.

    Args:
      folders: Those that were written to; the one with the least space is named.
    """
    local = [folder for folder in (*folders, tempfile.gettempdir()) if "://" not in folder]
    fullest = min(local, key=lambda folder: shutil.disk_usage(nearest_folder(folder)).free)
    usage = shutil.disk_usage(nearest_folder(fullest))
    for folder in local:
        if lacks_files(folder):
            return (
                f"the disk of {folder} can hold no more files: {os.statvfs(nearest_folder(folder)).f_favail:,} more are "
                f"possible (df -i), and a run needs at least {NEEDED_FILES:,}; remove some, or name other folders with "
                "--root, --serving-dir and the variable TMPDIR"
            )
    return (
        f"the disk of {fullest}, or your quota of it, is full: {_megabytes(usage.free)} of {_megabytes(usage.total)} are "
        f"free, and a run needs at least {_megabytes(NEEDED_BYTES)}; free some, or name other folders with --root, "
        "--serving-dir and the variable TMPDIR"
    )


def describe_file_error(error: OSError) -> str:
    """Returns a line on what a file system refused; empty for an error that is not of that kind."""
    if isinstance(error, DiskFullError):
        return error.message
    if error.errno in _OPEN_FILES:
        return f"{error.strerror}; raise the limit (ulimit -n)"
    what = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in _FULL:
        return f"{what}{error.strerror}; free some space, or write to another folder"
    if error.errno in _NAMED and what:
        return f"{what}{error.strerror}"
    return ""


def nearest_folder(path: str) -> str:
    """Returns the folder that exists and in which a path is, or would be, made: itself, if it is one."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _megabytes(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MB"


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error, what it came from, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
