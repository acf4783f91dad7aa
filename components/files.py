"""Files on any file system that TensorFlow opens."""

import contextlib
import os
import uuid

import tensorflow as tf

from data.whole_files import sync, write_whole


def copy_folder(source: str, target: str) -> None:
    """Copies a folder with all that is in it; `target` and its parents are made."""
    for folder, _, names in tf.io.gfile.walk(source):
        relative = os.path.relpath(folder, source)
        copy = target if relative == "." else os.path.join(target, relative)
        tf.io.gfile.makedirs(copy)
        for name in names:
            tf.io.gfile.copy(os.path.join(folder, name), os.path.join(copy, name), overwrite=True)


def list_files(folder: str) -> list[str]:
    """Returns the paths of what is in a folder, sorted; nothing if there is no such folder.

    It takes no pattern, as `tf.io.gfile.glob` would: a folder may have `[` in its name.
    """
    if not tf.io.gfile.isdir(folder):
        return []
    return sorted(os.path.join(folder, name.rstrip("/")) for name in tf.io.gfile.listdir(folder))


def match_all(patterns: list[str]) -> list[str]:
    """Returns the files that TFX's patterns `FOLDER/*` name, sorted; the folders are names, whatever characters they have."""
    return sorted(path for pattern in patterns for path in list_files(os.path.dirname(pattern)))


def write_file(path: str, content: bytes, lasting: bool = True) -> None:
    """Writes a file aside and then under its name: whoever looks finds the one before, or this one, whole.

    Args:
      path: The file; it is replaced. Folders that are missing are made.
      content: What it is to hold.
      lasting: Whether that holds after a power cut too, on a local file system. Without it, writing is much faster.
    """
    if "://" not in path:
        write_whole(path, content, lasting)
        return
    tf.io.gfile.makedirs(os.path.dirname(path))
    aside = f"{path}.{uuid.uuid4().hex}.part"
    with tf.io.gfile.GFile(aside, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(aside, path, overwrite=True)


def sync_folder(folder: str) -> None:
    """Writes a local folder, with all that is in it, through to the disk."""
    for directory, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(os.path.join(directory, name))
        sync(directory)


def sync_parents(folder: str) -> None:
    """Writes the names of a local folder and of the four above it through to the disk: they may all be new.

    An artifact lies in `ROOT/artifacts/TASK/COMPONENT/OUTPUT/ID`.
    """
    for _ in range(5):
        folder = os.path.dirname(folder)
        with contextlib.suppress(PermissionError):
            sync(folder)
