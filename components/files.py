"""Files on any file system that TensorFlow opens."""

import os

import tensorflow as tf


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


def write_file(path: str, content: bytes, *, writer: str = "") -> None:
    """Writes a file under another name in its folder, then renames it. Folders that are missing are made.

    Args:
      path: The file; it is replaced.
      content: What it is to hold.
      writer: A name of this writer's own, where others may write the same file at the same time.
    """
    tf.io.gfile.makedirs(os.path.dirname(path))
    aside = f"{path}.{writer}.part" if writer else f"{path}.part"
    with tf.io.gfile.GFile(aside, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(aside, path, overwrite=True)
