"""A serving folder that is away for a moment, is replaced, or loses what was in it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from charseq_client import Client, PredictionError, Retries
from serving.rollout import promote
from tests.serving.conftest import Push
from tests.serving.load import QUICK, checked_version, load
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e


def _wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_moved_away_replaced_and_back_100_times(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    serving_dir, other, aside = tmp_path / "serving", tmp_path / "other", tmp_path / "aside"
    for version in (1, 2):
        push(shout_models[version], serving_dir / "shout", version)
    push(shout_models[3], other / "shout", 3)
    with (
        running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
        load(32, lambda: checked_version(client)) as seen,
    ):
        for cycle in range(100):
            serving_dir.rename(aside)  # nothing is there
            time.sleep(0.01 * (cycle % 8))
            if cycle % 3 == 0:  # a mount point without its volume
                serving_dir.mkdir()
                time.sleep(0.06)
                serving_dir.rmdir()
            elif cycle % 3 == 1:  # another volume, with a newer version
                other.rename(serving_dir)
                if cycle % 15 == 1:
                    _wait_for(lambda: client.predict({"text": ["ab"]}, model="shout").version == 3)
                serving_dir.rename(other)
            aside.rename(serving_dir)
        _wait_for(lambda: [s.version for s in client.status("shout") if s.state == "AVAILABLE"] == [2])
        # It is followed again.
        push(shout_models[3], serving_dir / "shout", 6)
        assert client.wait_until_available("shout", version=6) == 6
        _wait_for(lambda: 6 in seen.answered)

    assert seen.failures == []
    assert {2, 3, 6} <= set(seen.answered)
    log = server.log.read_text()
    assert f"{serving_dir} cannot be read or is empty; what is served stays as it is." in log
    assert f"{serving_dir} is there again." in log


def test_labels_and_policies_outlast_it(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    serving_dir, link = tmp_path / "volume", tmp_path / "link"
    for version in (1, 2):
        push(shout_models[version], serving_dir / "shout", version)
    link.symlink_to(serving_dir)
    with (
        running_server(tmp_path, f"--serving_dir={link}", *QUICK) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
    ):
        promote(link, "shout", 1, server=server.target)
        with load(8, lambda: checked_version(client, "stable")) as seen:
            for _ in range(20):
                link.unlink()
                time.sleep(0.1)
                link.symlink_to(serving_dir)
                time.sleep(0.1)
    assert seen.failures == []
    assert set(seen.answered) == {1}


def test_what_is_missing_for_long_is_removed(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    serving_dir = tmp_path / "serving"
    for name in ("first", "second"):
        push(shout_models[1], serving_dir / name, 1)
    arguments = (f"--serving_dir={serving_dir}", "--removal_wait_seconds=2", *QUICK)
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:

        def answers(model: str) -> bool:
            try:
                return client.predict({"text": ["ab"]}, model=model).version == 1
            except PredictionError:
                return False

        (serving_dir / "first").rename(tmp_path / "first")
        _wait_for(lambda: "first is missing in" in server.log.read_text())
        assert answers("first")
        (tmp_path / "first").rename(serving_dir / "first")
        time.sleep(2.5)
        assert answers("first")  # it was away for a moment
        shutil.rmtree(serving_dir / "first")
        _wait_for(lambda: not answers("first"))
        # With the last model the folder is empty: that is a volume which is away, however long.
        shutil.rmtree(serving_dir / "second")
        time.sleep(2.5)
        assert answers("second")


@pytest.mark.parametrize("flag", ["--serving_dir", "--model_base_path"])
def test_a_folder_that_is_deleted(tmp_path: Path, shout_models: dict[int, Path], push: Push, flag: str) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    folder = tmp_path / "serving" / ("shout" if flag == "--model_base_path" else "")
    arguments = (f"{flag}={folder}", "--model_name=shout", "--removal_wait_seconds=0.2", *QUICK)
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        shutil.rmtree(folder)
        time.sleep(1)
        assert client.predict({"text": ["ab"]}, model="shout").version == 1
        push(shout_models[2], tmp_path / "serving" / "shout", 2)
        assert client.wait_until_available("shout", version=2) == 2
