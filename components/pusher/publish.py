"""Publishing a version into the folder that a model server reads.

A version is copied aside under a name that no server takes for a version, then renamed. On a local or network file system the
rename is atomic. Object stores have none, so there saved_model.pb, without which no server loads a version, is copied last.
"""

import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from components.baseline.served import list_versions
from components.files import copy_folder, sync_folder, sync_parents, write_file
from data.whole_files import sync
from serving.contract.layout import SAVED_MODEL_NAMES, ModelFolder
from serving.contract.model_config import register

# The highest version ever given out, beside the versions: one that was deleted is not given out again.
_LAST_VERSION = ".last_version"

# Copies aside that are older were left by a process that died.
_STALE_SECONDS = 24 * 3600.0


def publish(model_path: str, model_dir: str, add_files: Callable[[str], None]) -> int:
    """Publishes a SavedModel as the next version, and lists the model in the serving folder's ``models.config``.

    Args:
      model_path: Folder of the SavedModel.
      model_dir: Folder of the model's versions; made if it is not there.
      add_files: Called with the copy's folder before it is published, to add files to it.

    Returns:
      The version: the time in seconds since 1970, or one more than the last version where that is not greater.
    """
    tf.io.gfile.makedirs(model_dir)
    remote = "://" in model_dir
    aside = os.path.join(model_dir, f".publishing-{uuid.uuid4().hex}")
    try:
        copy_folder(model_path, aside)
        add_files(aside)
        if not remote:
            _remove_stale(model_dir)
            sync_folder(aside)
        while True:
            version = _next_version(model_dir)
            if _move(aside, os.path.join(model_dir, str(version)), remote):
                break
    finally:
        if tf.io.gfile.exists(aside):
            tf.io.gfile.rmtree(aside)
    if not remote:
        # The names as well as the files: what ML Metadata is told is pushed must be there after a power cut.
        sync(model_dir)
        sync_parents(model_dir)
        # An object store has neither locks nor renames, and TensorFlow Serving there is told by its operator.
        folder = ModelFolder.at(os.path.abspath(model_dir))
        register(folder.serving_dir, folder.name)
    return version


def _next_version(model_dir: str) -> int:
    """Reserves and returns a version higher than every one before it."""
    record = os.path.join(model_dir, _LAST_VERSION)
    last = 0
    if tf.io.gfile.exists(record):
        with tf.io.gfile.GFile(record) as file:
            content = file.read()
        last = int(content) if content.isdecimal() else 0  # a full disk or a power cut had left an empty one
    version = max([int(time.time()), last + 1, *(version + 1 for version in list_versions(model_dir))])
    write_file(record, str(version).encode())
    return version


def _move(aside: str, version_dir: str, remote: bool) -> bool:
    """Gives the copy its final name; False if another process has taken the name."""
    if tf.io.gfile.exists(version_dir):
        return False
    if not remote:
        try:
            os.rename(aside, version_dir)
        except OSError:
            if os.path.exists(version_dir):
                return False
            raise
        return True
    saved_model = os.path.join(aside, SAVED_MODEL_NAMES[0])
    last = f"{aside}-{SAVED_MODEL_NAMES[0]}"
    tf.io.gfile.rename(saved_model, last)
    copy_folder(aside, version_dir)
    tf.io.gfile.rename(last, os.path.join(version_dir, SAVED_MODEL_NAMES[0]))
    return True


def _remove_stale(model_dir: str) -> None:
    for entry in os.scandir(model_dir):
        if not entry.name.startswith((".publishing-", f"{_LAST_VERSION}.")):
            continue
        try:
            if time.time() - entry.stat().st_mtime <= _STALE_SECONDS:
                continue
        except FileNotFoundError:
            continue  # another process has given it its final name just now
        if entry.is_dir():
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)
