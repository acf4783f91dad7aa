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


def write_file(path: str, content: bytes) -> None:
    """Writes a file, and the folders above it that are missing."""
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)
