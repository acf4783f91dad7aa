"""Standard output and error that cannot be written, or that are closed."""

import shlex
import subprocess

import pytest

from tests.pipeline.conftest import CHARSEQ

pytestmark = pytest.mark.e2e

TASKS = "tasks"


def _shell(command):
    """Runs `charseq` with the redirections of a shell."""
    return subprocess.run(
        f"{shlex.quote(CHARSEQ)} {command}", shell=True, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("arguments", [TASKS, "tasks --json", "--help", "settings pairs", "settings --markdown"])
def test_output_that_cannot_be_written_is_an_error_of_one_line(arguments):
    ended = _shell(f"{arguments} > /dev/full")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: standard output cannot be written: No space left on device")


def test_closed_output_is_an_error_of_one_line():
    ended = _shell(f"{TASKS} >&-")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "standard output cannot be written" in line


def test_nobody_needs_to_hear_of_progress():
    for redirection in ("2> /dev/full", "2>&-", "2>&- <&-"):
        ended = _shell(f"{TASKS} {redirection}")
        assert ended.returncode == 0, redirection
        assert "sums" in ended.stdout
    assert _shell("nosuch 2> /dev/full").returncode == 2


def test_a_reader_that_wants_no_more_is_no_error():
    ended = _shell("settings --markdown | head -c 10")
    assert (len(ended.stdout), ended.stderr) == (10, "")


def test_commands_run_in_the_plainest_surroundings():
    for surroundings in ("LC_ALL=C", "PYTHONIOENCODING=ascii", "COLUMNS=10", "-u HOME"):
        ended = subprocess.run(
            ["env", *shlex.split(surroundings), CHARSEQ, "settings", "pairs"], capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert b"train.epochs" in ended.stdout


def test_a_folder_that_was_removed_under_the_shell_is_named(tmp_path):
    for arguments in ("runs", "run sums", "new mine --family sums"):
        (tmp_path / "gone").mkdir()
        ended = subprocess.run(
            f"cd {tmp_path}/gone && rmdir ../gone && {shlex.quote(CHARSEQ)} {arguments}",
            shell=True,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2, arguments
        assert ended.stderr == "Error: the current folder has been removed; change to one that is there (cd)\n"
