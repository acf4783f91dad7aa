"""Files on this machine that are never there half-written."""

import contextlib
import os
import uuid


def write_whole(path: str, content: bytes, lasting: bool = True) -> None:
    """Writes a file under another name in its folder, then renames it. Folders that are missing are made.

    Args:
      path: The file; it is replaced.
      content: What it is to hold.
      lasting: Whether after a power cut there is the file before it, or this one, whole. Waiting for the disk takes some 10 ms.

    Raises:
      OSError: It cannot be written; a file that was there is left as it was.
    """
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    aside = f"{path}.{uuid.uuid4().hex}.part"
    try:
        with open(aside, "wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(aside)
        if isinstance(error, OSError) and error.filename == aside:
            error.filename, error.filename2 = path, None
        raise
    if lasting:
        sync(folder or ".")


def sync(path: str) -> None:
    """Writes a file, or the names in a folder, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
