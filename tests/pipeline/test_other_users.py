"""Runs by an ordinary user: no home, no rights beyond the user's own folder, and nothing readable for others."""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.pipeline.tiny import write_tiny_task

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.geteuid() != 0, reason="to be another user needs the superuser")]

REPO = Path(__file__).parents[2]

# In no list of users.
_USER = 12345

_PACKAGES = f"{REPO}:{REPO}/client:{Path(pytest.__file__).parents[1]}"

# The interpreter of the tests may lie in a folder of the superuser's.
_INTERPRETERS = ((sys.executable,), ("/usr/bin/python3.11", "-S"))

_MAIN = "from pipeline.cli import main; main()"


def _as_user(command, **options):
    user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    clean = ["env", "-u", "HOME", f"PYTHONPATH={_PACKAGES}", "PYTHONDONTWRITEBYTECODE=1", "LC_ALL=C"]
    return subprocess.run([*user, *clean, *command], capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def interpreter():
    """An interpreter that the user can run."""
    for found in _INTERPRETERS:
        if shutil.which("setpriv") and _as_user([*found, "-c", "import click"]).returncode == 0:
            return [*found, "-c", _MAIN]
    pytest.skip("there is no interpreter that another user can run")


@pytest.fixture
def place():
    """A folder that others can read; pytest's cannot be."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.timeout(900)
@pytest.mark.slow
@pytest.mark.parametrize("home", ["-u HOME", "HOME=/nonexistent"])
def test_a_user_without_a_home_runs_on_a_read_only_machine(interpreter, place, home):
    mine = place / "mine"
    mine.mkdir()
    task = write_tiny_task(place)
    # Nothing on the machine can be written but one folder.
    prepare = f"mount -t tmpfs -o size=300m,uid={_USER} tmpfs {mine} && mount -o remount,bind,ro /"
    run = " ".join(map(shlex.quote, [*interpreter, "run", str(task), "--json", "--root", "root"]))
    user = f"setpriv --reuid={_USER} --regid={_USER} --clear-groups"
    clean = f"env {home} PYTHONPATH={_PACKAGES} PYTHONDONTWRITEBYTECODE=1 LC_ALL=C TMPDIR={mine}"
    looked = "find root \\( -type f -perm /077 -o -name .reserve \\) -print >&2"
    script = f"{prepare} || exit 77; cd {mine} && umask 077 && {user} {clean} {run} && {looked}; ls -A {mine} >&2"
    ended = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if ended.returncode == 77:
        pytest.skip("to mount needs the superuser's rights")
    assert ended.stdout, ended.stderr
    result = json.loads(ended.stdout)
    assert result["blessed"], result["reasons"]
    lines = ended.stderr.splitlines()
    assert lines[-1] == "root", "nothing is left beside the root"
    assert not [line for line in lines if line.startswith("root/")], "others can read what the umask forbids"


def test_a_folder_of_somebody_else_is_refused_by_name(interpreter, place):
    task = write_tiny_task(place)
    ended = _as_user([*interpreter, "run", str(task), "--root", str(place / "root")], cwd=place)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"Error: --root: {place}/root cannot be made in {place}: Permission denied; ")


def test_a_root_of_somebody_else_is_refused_by_name(interpreter, place):
    root = place / "root"
    root.mkdir()
    os.chown(root, _USER, _USER)
    database = root / "metadata.sqlite"
    database.touch(mode=stat.S_IRUSR)
    task = write_tiny_task(place)
    ended = _as_user([*interpreter, "run", str(task), "--root", str(root)], cwd=place)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"{database} cannot be written: Permission denied" in ended.stderr
