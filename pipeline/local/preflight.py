"""What a run will need, looked at before it starts: folders, space, a port, programs, files. It needs no TensorFlow."""

import os
import shutil
import socket
import tempfile

from components.settings import SettingsError
from data.encodings import shown_without_utf8
from pipeline.config.settings import Config
from pipeline.file_errors import (
    NEEDED_BYTES,
    DiskFullError,
    describe_disk_full,
    is_disk_full,
    lacks_files,
    nearest_folder,
)
from pipeline.places import Places

# Whoever answers at all answers on this machine's network within this time.
_CONNECT_SECONDS = 5.0

_SQLITE = b"SQLite format 3\0"

# In bytes. SQLite takes paths of 512, and adds `-journal`; Linux takes 255 for a name and 4,096 for a path, of which a run
# needs some for what it writes below a folder.
_LONGEST_DATABASE = 500
_LONGEST_NAME = 255
_LONGEST_FOLDER = 3_500


def check_run(config: Config, places: Places) -> None:
    """Checks what a run needs beside its data.

    Raises:
      SettingsError: A folder cannot be written, a program is not there, a server does not answer, or a file is not there.
      DiskFullError: There is too little space.
    """
    folders = [("--root", places.root), ("--serving-dir", places.serving_dir)]
    folders.append(("--serving-dir", places.model_dir(config.task)))
    if config.train.checkpoint_dir:
        folders.append(("train.checkpoint_dir", config.train.checkpoint_dir))
    local = [os.path.abspath(folder) for _, folder in folders if "://" not in folder]
    for option, folder in folders:
        if "://" not in folder:
            _check_folder(option, os.path.abspath(folder))
    _check_temporary()
    if len(os.fsencode(places.metadata_path)) > _LONGEST_DATABASE:
        raise SettingsError(
            f"--root: {places.root} is too long for the database in it, whose path may have {_LONGEST_DATABASE} bytes; "
            "name a folder with a shorter path, or a link to this one"
        )
    if any(shutil.disk_usage(nearest_folder(folder)).free < NEEDED_BYTES or lacks_files(folder) for folder in local):
        raise DiskFullError(describe_disk_full(local))
    _check_database(places.metadata_path)
    _check_port()
    program = places.server_command[0]
    if not shutil.which(program):
        raise SettingsError(f"the model server {program} is not there, or cannot be run; install it, or correct PATH")
    if config.rollout.server:
        _check_server(config.rollout.server)
    recorded = config.rollout.recorded
    if recorded and "://" not in recorded and not os.path.isfile(recorded):
        raise SettingsError(f"rollout.recorded: there is no file {recorded}; name a file of recorded requests")


def _check_folder(option: str, folder: str) -> None:
    """Checks that a folder can be written, or made, by writing."""
    _check_name(option, folder)
    there = nearest_folder(folder)
    if os.path.lexists(folder) and there != folder:
        raise SettingsError(f"{option}: {folder} is a file, not a folder; name another")
    # What is in the way of `a/b/c` may be `a`.
    inner = os.path.join(there, os.path.relpath(folder, there).split(os.sep)[0]) if there != folder else ""
    if inner and os.path.lexists(inner):
        raise SettingsError(f"{option}: {folder} cannot be made: {inner} is a file, not a folder; name another")
    try:
        with tempfile.TemporaryDirectory(prefix=".charseq-", dir=there):
            pass
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(describe_disk_full([folder])) from None
        what = "written to" if there == folder else f"made in {there}"
        raise SettingsError(
            f"{option}: {folder} cannot be {what}: {error.strerror}; name a folder of yours, or change its rights"
        ) from None


def _check_name(option: str, folder: str) -> None:
    """Checks that ML Metadata and the file system take a folder's name."""
    if shown := shown_without_utf8(folder):
        raise SettingsError(
            f"{option}: the name of {shown} is not UTF-8, which ML Metadata and TensorFlow ask for; rename the folder, "
            "or name another"
        )
    longest = max(folder.split(os.sep), key=lambda name: len(name.encode()))
    if len(longest.encode()) > _LONGEST_NAME:
        raise SettingsError(
            f"{option}: the name {longest} has {len(longest.encode())} bytes, and a folder's may have {_LONGEST_NAME}; "
            "name another"
        )
    if len(folder.encode()) > _LONGEST_FOLDER:
        raise SettingsError(
            f"{option}: {folder} has {len(folder.encode())} bytes, and a path may have {_LONGEST_FOLDER}; name another"
        )


def _check_temporary() -> None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise SettingsError(f"there is no folder for temporary files: {error.strerror}; name one with TMPDIR") from None


def _check_database(path: str) -> None:
    """Checks that ML Metadata's database is one, and can be written."""
    if not os.path.exists(path):
        return
    try:
        with open(path, "r+b") as file:
            begin = file.read(len(_SQLITE))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}; change its rights, or name another --root"
        ) from None
    if begin not in (b"", _SQLITE):
        raise SettingsError(f"{path} is no database of ML Metadata; move it away, or name another --root")


def _check_port() -> None:
    """Checks that InfraValidator's server will get a port."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        raise SettingsError(
            f"no port of 127.0.0.1 can be opened: {error.strerror}; InfraValidator tries the model in a server there"
        ) from None


def _check_server(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise SettingsError(
            f"rollout.server {address} does not answer: {error.strerror or error}; start it (charseq serve), or leave "
            "rollout.server out"
        ) from None
