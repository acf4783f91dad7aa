"""Publishing: whole versions only, never one number twice, whatever moment the process dies at."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from components.baseline.served import list_versions, served_version
from components.files import write_file
from components.pusher import publish as publish_module
from components.pusher.publish import publish
from serving.contract.model_config import read_config
from tests.power_cut import PowerCut, PowerFailedError


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights" * 1000)
    return str(folder)


def test_a_published_version_has_every_file_and_those_that_were_added(model, tmp_path):
    def add(folder):
        os.makedirs(os.path.join(folder, "assets.extra"))
        with open(os.path.join(folder, "assets.extra", "x"), "w") as file:
            file.write("more")

    version = publish(model, str(tmp_path / "served"), add)
    published = tmp_path / "served" / str(version)
    assert (published / "saved_model.pb").read_bytes() == b"graph"
    assert (published / "variables" / "variables.index").read_bytes() == b"weights" * 1000
    assert (published / "assets.extra" / "x").read_text() == "more"
    assert served_version(str(tmp_path / "served")) == version
    assert abs(version - time.time()) < 60


def test_versions_grow_and_a_deleted_one_is_not_given_out_again(model, tmp_path):
    served = str(tmp_path / "served")
    versions = [publish(model, served, lambda folder: None) for _ in range(3)]
    assert versions == sorted(set(versions))
    os.rename(os.path.join(served, str(versions[-1])), tmp_path / "deleted")
    assert publish(model, served, lambda folder: None) > versions[-1]


def test_a_version_higher_than_the_clock_is_exceeded(model, tmp_path):
    served = tmp_path / "served"
    (served / "9999999999").mkdir(parents=True)
    assert publish(model, str(served), lambda folder: None) == 10_000_000_000


def test_an_error_while_publishing_leaves_nothing(model, tmp_path):
    def fail(folder):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        publish(model, str(tmp_path / "served"), fail)
    assert os.listdir(tmp_path / "served") == []


def test_two_that_publish_at_a_time_get_two_versions(model, tmp_path, monkeypatch):
    served = str(tmp_path / "served")
    taken = publish(model, served, lambda folder: None)
    reserve = publish_module._next_version
    versions = iter([taken, taken, None])
    monkeypatch.setattr(publish_module, "_next_version", lambda folder: next(versions) or reserve(folder))
    assert publish(model, served, lambda folder: None) > taken


_PUBLISHERS = """
import os, sys
from components.pusher.publish import publish

children = []
while len(children) < 4 and (not children or children[-1]):
    children.append(os.fork())
if children[-1]:
    sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
for _ in range(20):
    publish(sys.argv[1], sys.argv[2], lambda folder: None)
"""


@pytest.mark.e2e
def test_many_that_publish_all_the_time_get_a_version_each(model, tmp_path):
    served = tmp_path / "served"
    ended = subprocess.run(
        [sys.executable, "-c", _PUBLISHERS, model, str(served)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert len(list_versions(str(served))) == 4 * 20
    assert [name for name in os.listdir(served) if name.startswith(".")] == [".last_version"]


def test_what_a_process_that_died_left_is_removed_after_a_day(model, tmp_path):
    served = tmp_path / "served"
    publish(model, str(served), lambda folder: None)
    for name, age_s in (("old", 25 * 3600), ("new", 3600)):
        (served / f".publishing-{name}").mkdir()
        (served / f".last_version.{name}").touch()
        for left in (f".publishing-{name}", f".last_version.{name}"):
            os.utime(served / left, (time.time() - age_s,) * 2)
    publish(model, str(served), lambda folder: None)
    assert sorted(name for name in os.listdir(served) if name.startswith(".")) == [
        *(".last_version", ".last_version.new", ".publishing-new"),
    ]


def test_names_that_are_no_versions_do_not_count(tmp_path):
    for name in ("7", "12", ".publishing-1", "x9", "٣", "1.5"):
        (tmp_path / name).mkdir()
    (tmp_path / "7" / "saved_model.pb").touch()
    assert list_versions(str(tmp_path)) == [7, 12]
    assert served_version(str(tmp_path)) == 7
    assert served_version(str(tmp_path / "nothing")) is None


def test_after_a_rollback_the_baseline_is_the_older_version(model, tmp_path):
    from serving.rollout import follow_latest, promote, rollback

    served = str(tmp_path / "sums")
    older, newer = (publish(model, served, lambda folder: None) for _ in range(2))
    assert served_version(served) == newer
    rollback(tmp_path, "sums")
    assert served_version(served) == older
    newest = publish(model, served, lambda folder: None)
    assert served_version(served) == older, "what is pushed after a rollback waits until it is promoted"
    promote(tmp_path, "sums", newest)
    assert served_version(served) == newest
    follow_latest(tmp_path, "sums")
    assert served_version(served) == newest


_PUBLISHER = """
import os, sys
from components.files import write_file
from components.pusher.publish import publish

def add(folder):
    write_file(os.path.join(folder, "assets.extra", "x"), b"more" * 1000)

for _ in sys.stdin:
    child = os.fork()
    if not child:
        while True:
            publish(sys.argv[1], sys.argv[2], add)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("killed", flush=True)
"""


@pytest.mark.e2e
def test_killed_at_50_moments_no_half_version_is_ever_there(model, tmp_path):
    served = tmp_path / "served"
    whole = []

    def check():
        for version in list_versions(str(served)):
            if not whole or version > whole[-1]:
                folder = served / str(version)
                assert (folder / "saved_model.pb").read_bytes() == b"graph"
                assert (folder / "variables" / "variables.index").read_bytes() == b"weights" * 1000
                assert (folder / "assets.extra" / "x").read_bytes() == b"more" * 1000
                whole.append(version)

    # Each publishing process is a fork of one that has imported TensorFlow, which takes seconds.
    command = [sys.executable, "-c", _PUBLISHER, model, str(served)]
    rng = random.Random(5)
    rounds_with_versions = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(50):
            before = len(whole)
            process.stdin.write("\n")
            process.stdin.flush()
            child = int(process.stdout.readline())
            killed_at = time.monotonic() + rng.uniform(0.0, 0.1)
            while time.monotonic() < killed_at:
                check()
            os.kill(child, signal.SIGKILL)
            assert process.stdout.readline() == "killed\n"
            check()
            rounds_with_versions += len(whole) > before
        process.stdin.close()
        assert process.wait(120) == 0
    assert rounds_with_versions > 10
    assert list(served.glob(".publishing-*")), "none of the moments was in the middle of publishing"
    assert publish(model, str(served), lambda folder: None) > whole[-1]


def _add(folder):
    write_file(os.path.join(folder, "assets.extra", "x"), b"more" * 1000)


def _whole_versions(served):
    """Returns the versions that are there; every one of them must be whole."""
    versions = list_versions(str(served))
    for version in versions:
        folder = served / str(version)
        assert (folder / "saved_model.pb").read_bytes() == b"graph"
        assert (folder / "variables" / "variables.index").read_bytes() == b"weights" * 1000
        assert (folder / "assets.extra" / "x").read_bytes() == b"more" * 1000
    return versions


def test_when_the_power_fails_at_any_moment_versions_are_whole_and_what_was_published_is_there(
    model, tmp_path, monkeypatch
):
    moment, done = 0, False
    while not done:
        moment += 1
        disk = tmp_path / f"{moment}"
        (disk / "data").mkdir(parents=True)
        with monkeypatch.context() as patched:
            power = PowerCut(disk / "data", patched, fails_at=moment)
            published = []
            with contextlib.suppress(PowerFailedError):
                for _ in range(2):
                    published.append(publish(model, str(disk / "data" / "serving" / "sums"), _add))
                done = True
        left = power.restart(disk / "after") / "serving" / "sums"
        assert set(published) <= set(_whole_versions(left))
        again = publish(model, str(left), _add)
        assert again > max([*published, 0])
        assert again in _whole_versions(left)
        (entry,) = read_config(left.parent / "models.config").model_config_list.config
        assert (entry.name, entry.base_path) == ("sums", str(left))
    assert moment > 20


def test_on_an_object_store_the_file_that_makes_a_version_comes_last(model, tmp_path, monkeypatch):
    # With its scheme, a local folder is treated as an object store.
    served = tmp_path / "served"
    looked = []

    def look():
        for folder in served.iterdir() if served.exists() else ():
            if folder.name.isdecimal():
                looked.append(sorted(path.name for path in folder.rglob("*") if path.is_file()))

    for name in ("copy", "rename", "makedirs"):
        real = getattr(publish_module.tf.io.gfile, name)

        def then_look(*arguments, real=real, **options):
            real(*arguments, **options)
            look()

        monkeypatch.setattr(publish_module.tf.io.gfile, name, then_look)
    version = publish(model, f"file://{served}", _add)
    whole = ["saved_model.pb", "variables.index", "x"]
    assert looked[-1] == whole
    assert [names for names in looked if "saved_model.pb" in names and names != whole] == []
    assert any("variables.index" in names for names in looked[:-1]), "nothing was seen while it was uploaded"
    assert list_versions(str(served)) == [version]


def test_a_record_of_versions_that_a_full_disk_left_empty_is_no_obstacle(model, tmp_path):
    served = tmp_path / "served"
    first = publish(model, str(served), _add)
    (served / ".last_version").write_text("")
    assert publish(model, str(served), _add) > first


def test_with_the_clock_set_back_versions_grow_by_one(model, tmp_path, monkeypatch):
    served = tmp_path / "served"
    first = publish(model, str(served), _add)
    monkeypatch.setattr(publish_module.time, "time", lambda: first - 3600.0)
    assert publish(model, str(served), _add) == first + 1
    monkeypatch.setattr(publish_module.time, "time", lambda: 0.0)  # a machine without a clock
    assert publish(model, str(tmp_path / "new"), _add) == 1
    assert publish(model, str(tmp_path / "new"), _add) == 2


def test_a_name_that_is_taken_while_it_is_given_is_left_to_the_other(model, tmp_path, monkeypatch):
    served = tmp_path / "served"
    real, taken = os.rename, []

    def rename(source, target):
        if not taken:
            taken.append(int(os.path.basename(target)))
            os.makedirs(os.path.join(target, "theirs"))
            raise OSError(39, "Directory not empty")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    assert publish(model, str(served), _add) > taken[0]
    assert os.listdir(served / str(taken[0])) == ["theirs"]

    def fail(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(PermissionError):
        publish(model, str(served), _add)


def test_what_vanishes_while_it_is_cleaned_up_is_no_error(model, tmp_path, monkeypatch):
    served = tmp_path / "served"
    publish(model, str(served), _add)
    (served / ".publishing-old").mkdir()
    os.utime(served / ".publishing-old", (0, 0))

    class Vanished:
        def __init__(self, name, is_folder, before):
            self.name, self.path, self._is_folder, self._before = name, str(served / name), is_folder, before

        def is_dir(self):
            return self._is_folder

        def stat(self):
            if self._before:
                raise FileNotFoundError(self.path)
            return os.stat_result((0,) * 10)

    real = os.scandir
    gone = [Vanished(f".publishing-{n}", n < 2, n == 0) for n in range(3)]
    monkeypatch.setattr(os, "scandir", lambda folder: [*gone, *real(folder)] if folder == str(served) else real(folder))
    publish(model, str(served), _add)
    assert not (served / ".publishing-old").exists()
