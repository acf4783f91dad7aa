"""What a run needs is looked at before it starts: a line that names it, at once, and nothing left behind."""

import dataclasses
import os
import socket
import subprocess
from collections import namedtuple

import pytest

from components.settings import SettingsError
from pipeline import run
from pipeline.config.drafts import write_task
from pipeline.config.task_files import load_task
from pipeline.file_errors import DiskFullError, describe_file_error
from pipeline.local import preflight
from pipeline.local import run as local_run
from pipeline.local.preflight import check_run
from pipeline.places import Places
from tests.pipeline.conftest import CHARSEQ

FOLDERS = ["--root", "--serving-dir", "train.checkpoint_dir"]


def _check(tmp_path, option, folder, *assignments):
    places = {"root": str(tmp_path / "root")}
    if option == "train.checkpoint_dir":
        assignments = (*assignments, f"{option}={folder}")
    elif option:
        places[option.strip("-").replace("-", "_")] = str(folder)
    check_run(load_task("sums", assignments), Places(**places))


def test_a_run_that_has_what_it_needs_may_start_and_nothing_is_made(tmp_path):
    _check(tmp_path, "", "")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("option", FOLDERS)
def test_a_file_is_no_folder(tmp_path, option):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=f"{option}: {tmp_path}/file is a file, not a folder"):
        _check(tmp_path, option, tmp_path / "file")
    with pytest.raises(SettingsError, match=f"{option}: {tmp_path}/file/a/b cannot be made: {tmp_path}/file is a file"):
        _check(tmp_path, option, tmp_path / "file" / "a" / "b")


@pytest.mark.parametrize("option", FOLDERS)
def test_a_folder_that_cannot_be_made(tmp_path, option):
    with pytest.raises(SettingsError, match=f"{option}: /proc/nothing/here cannot be made in /proc"):
        _check(tmp_path, option, "/proc/nothing/here")


@pytest.mark.parametrize("option", FOLDERS)
def test_a_folder_that_is_read_only(tmp_path, option):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("the superuser writes everywhere; tests/pipeline/test_other_users.py tries it as another user")
    with pytest.raises(SettingsError, match=f"{option}: {folder} cannot be written to: Permission denied"):
        _check(tmp_path, option, folder)


@pytest.mark.parametrize("option", FOLDERS)
def test_a_folder_whose_name_nothing_can_hold(tmp_path, option):
    if option != "train.checkpoint_dir":  # a setting is text
        with pytest.raises(SettingsError, match=rf"{option}: the name of {tmp_path}/a\\xffb is not UTF-8"):
            _check(tmp_path, option, os.fsdecode(os.fsencode(tmp_path) + b"/a\xffb"))
    with pytest.raises(SettingsError, match=f"{option}: the name {'ä' * 128} has 256 bytes"):
        _check(tmp_path, option, tmp_path / ("ä" * 128) / "b")
    with pytest.raises(SettingsError, match=f"{option}: .* a path may have 3500"):
        _check(tmp_path, option, tmp_path.joinpath(*["n" * 200] * 20))
    assert os.listdir(tmp_path) == []


def test_a_root_that_is_too_long_for_its_database(tmp_path):
    longest = 500 - len("/metadata.sqlite")
    for length in (longest, longest + 1):
        root = tmp_path / ("n" * 200) / "m"
        root = f"{root}/{'o' * (length - len(str(root)) - 1)}"
        assert len(root) == length
        if length == longest:
            _check(tmp_path, "--root", root)
        else:
            with pytest.raises(SettingsError, match="--root: .* whose path may have 500 bytes"):
                _check(tmp_path, "--root", root)


def test_too_little_space_is_said_with_folder_and_need(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")  # as shutil gives it
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(100 << 20, 97 << 20, 3 << 20))
    with pytest.raises(
        DiskFullError, match=r"the disk of \S+, or your quota of it, is full: 3 MB of 100 MB are free"
    ) as raised:
        _check(tmp_path, "", "")
    assert "a run needs at least 64 MB" in str(raised.value)


def test_a_disk_that_can_hold_no_more_files_is_said(tmp_path, monkeypatch):
    status = os.statvfs(tmp_path)
    few = os.statvfs_result((*status[:5], 1_000, 4, 4, *status[8:]))
    monkeypatch.setattr("pipeline.file_errors.os.statvfs", lambda path: few)
    with pytest.raises(DiskFullError, match=r"the disk of \S+ can hold no more files: 4 more are possible \(df -i\)"):
        _check(tmp_path, "", "")
    uncounted = os.statvfs_result((*status[:5], 0, 0, 0, *status[8:]))  # as some file systems have it
    monkeypatch.setattr("pipeline.file_errors.os.statvfs", lambda path: uncounted)
    _check(tmp_path, "", "")


def test_a_damaged_database_is_named(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "metadata.sqlite").write_text("nonsense, but not a little of it")
    with pytest.raises(SettingsError, match=r"metadata\.sqlite is no database of ML Metadata"):
        _check(tmp_path, "", "")


def test_a_server_for_the_rollout_is_asked_for_first(tmp_path):
    with pytest.raises(SettingsError, match="rollout.server 127.0.0.1:1 does not answer"):
        _check(tmp_path, "", "", "rollout.server=127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"rollout.server=127.0.0.1:{server.getsockname()[1]}"
        _check(tmp_path, "", "", address)
        with pytest.raises(SettingsError, match="rollout.recorded: there is no file"):
            _check(tmp_path, "", "", address, f"rollout.recorded={tmp_path}/none")


def test_a_model_server_that_is_not_there(tmp_path):
    places = dataclasses.replace(Places(str(tmp_path)), server_command=("/no/such/program",))
    with pytest.raises(SettingsError, match="the model server /no/such/program is not there"):
        check_run(load_task("sums"), places)


@pytest.mark.e2e
def test_the_command_says_it_before_it_imports_tensorflow(tmp_path):
    (tmp_path / "file").touch()
    ended = subprocess.run(
        [CHARSEQ, "run", "sums", "--root", str(tmp_path / "file")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr == f"Error: --root: {tmp_path}/file is a file, not a folder; name another\n"
    assert ended.stdout == ""


def test_python_says_it_too(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="--root"):
        run("sums", root=tmp_path / "file")


def test_a_task_file_is_not_made_of_what_it_cannot_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^a\\xff\.tsv is not UTF-8, and a task file is; rename the file"):
        write_task("mine", "pairs", (os.fsdecode(b"a\xff.tsv"),), (), False, False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "error", [OSError(30, "Read-only file system"), RuntimeError("INTERNAL: attempt to write a readonly database")]
)
def test_a_root_that_becomes_read_only_is_named(tmp_path, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(local_run, "_run", fail)
    with pytest.raises(OSError, match="Read-only file system; it has become so during the run") as raised:
        local_run.run_task(load_task("sums"), Places(str(tmp_path)))
    assert describe_file_error(raised.value).startswith(f"{tmp_path}: Read-only file system; ")
