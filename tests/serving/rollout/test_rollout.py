"""Promote and roll back against the real process, and on the files alone."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charseq_client import Client, PredictionError
from serving.free_port import free_port
from serving.rollout import RolloutError, follow_latest, list_models, promote, rollback, set_canary
from serving.rollout.history import read_history
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, running_server

pytestmark = pytest.mark.e2e

QUICK = ("--file_system_poll_wait_seconds=0.1", "--max_num_load_retries=0", "--tensorflow_inter_op_parallelism=4")


@pytest.fixture
def serving_dir(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> Path:
    for version in (1, 2):
        push(shout_models[version], tmp_path / "serving" / "shout", version)
    return tmp_path / "serving"


@pytest.fixture
def server(tmp_path: Path, serving_dir: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as running:
        yield running


def _version(client: Client, label: str | None = None) -> int:
    prediction = client.predict({"text": ["ab"]}, model="shout", label=label)
    assert prediction.strings("text") == [f"{prediction.version}:ab:AB"]
    return prediction.version


def test_promote_and_roll_back_without_a_failed_request(
    tmp_path: Path, serving_dir: Path, server: RunningServer, shout_models: dict[int, Path], push: Push
) -> None:
    stop, failures = threading.Event(), []

    def call(label: str | None) -> None:
        with Client(server.target) as client:
            while not stop.is_set():
                try:
                    _version(client, label)
                except Exception as error:
                    failures.append(error)

    with Client(server.target) as client:
        assert promote(serving_dir, "shout", 2, server=server.target).previous == 2
        callers = [threading.Thread(target=call, args=(label,)) for label in ("stable", None)]
        for caller in callers:
            caller.start()
        try:
            push(shout_models[3], serving_dir / "shout", 3)
            assert _version(client) == 2  # a push alone changes nothing any more
            done = promote(serving_dir, "shout", 3, server=server.target)
            assert (done.version, done.previous, done.live) == (3, 2, True)
            assert _version(client) == _version(client, "stable") == 3
            done = rollback(serving_dir, "shout", server=server.target)
            assert (done.version, done.previous) == (2, 3)
            assert _version(client, "stable") == 2
            done = rollback(serving_dir, "shout", server=server.target)
            assert (done.version, done.previous) == (1, 2)
            assert _version(client, "stable") == 1
        finally:
            stop.set()
            for caller in callers:
                caller.join()
        client.wait_until_available("shout")
        with pytest.raises(RolloutError, match="There is no version of shout to go back to: 1 is the only one"):
            rollback(serving_dir, "shout", server=server.target)

    assert not failures
    assert server.terminate() == 0
    with running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as again, Client(again.target) as client:
        # Neither the newer folders nor the restart bring back what was rolled back from.
        assert _version(client) == _version(client, "stable") == 1
        (model,) = list_models(serving_dir, server=again.target)
        assert (model.name, model.stable, model.pinned) == ("shout", 1, True)
        assert [(v.version, v.on_disk, v.state, v.labels) for v in model.versions] == [
            (3, True, "", ()),
            (2, True, "", ()),
            (1, True, "AVAILABLE", ("stable",)),
        ]
    assert [(e.action, e.version, e.previous) for e in read_history(serving_dir)] == [
        ("promote", 2, 2),
        ("promote", 3, 2),
        ("rollback", 2, 3),
        ("rollback", 1, 2),
    ]


def test_a_version_that_does_not_load_is_not_promoted(serving_dir: Path, server: RunningServer) -> None:
    promote(serving_dir, "shout", 1, server=server.target)
    broken = serving_dir / "shout" / "5"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"not a model")
    config = (serving_dir / "models.config").read_text()
    with pytest.raises(RolloutError, match="Version 5 of shout does not load: Read less bytes than requested"):
        promote(serving_dir, "shout", 5, server=server.target)
    with Client(server.target) as client:
        assert _version(client) == _version(client, "stable") == 1
    assert (serving_dir / "models.config").read_text() == config
    assert read_history(serving_dir)[-1].version == 1


def test_a_canary(serving_dir: Path, server: RunningServer) -> None:
    promote(serving_dir, "shout", 1, server=server.target)
    set_canary(serving_dir, "shout", 2, server=server.target)
    with Client(server.target) as client:
        assert (_version(client, "stable"), _version(client, "canary")) == (1, 2)
        set_canary(serving_dir, "shout", None, server=server.target)
        with pytest.raises(PredictionError, match="Unrecognized servable version label: canary"):
            _version(client, "canary")
        set_canary(serving_dir, "shout", 2, server=server.target)
        promote(serving_dir, "shout", 2, server=server.target)
        assert _version(client, "stable") == 2
        with pytest.raises(PredictionError, match="canary"):
            _version(client, "canary")
        follow_latest(serving_dir, "shout", server=server.target)
        with pytest.raises(PredictionError, match="stable"):
            _version(client, "stable")
        assert _version(client) == 2


def test_without_a_server_the_next_one_does_it(tmp_path: Path, serving_dir: Path) -> None:
    assert list_models(serving_dir)[0].stable == 2
    done = rollback(serving_dir, "shout")
    assert (done.version, done.previous, done.live) == (1, 2, False)
    assert list_models(serving_dir)[0].stable == 1
    with running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as server, Client(server.target) as client:
        assert _version(client) == _version(client, "stable") == 1


def test_what_is_refused(serving_dir: Path) -> None:
    with pytest.raises(RolloutError, match="There is no model m here; there is shout"):
        promote(serving_dir, "m", 1)
    with pytest.raises(RolloutError, match=r"There is no version 9 of shout in .*; there is 1, 2\."):
        promote(serving_dir, "shout", 9)
    with pytest.raises(RolloutError, match="does not answer: UNAVAILABLE.*is a server running there"):
        promote(serving_dir, "shout", 1, server="127.0.0.1:1", timeout_s=1)
    assert not (serving_dir / "models.config").exists()
    (serving_dir / "models.config").write_text("broken")
    with pytest.raises(RolloutError, match="correct or remove that file"):
        list_models(serving_dir)
    with pytest.raises(RolloutError, match="cannot be written to"):
        promote(serving_dir / "nowhere", "shout", 1)


def test_servers_behind_one_name_are_rolled_together(
    tmp_path: Path, serving_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, real = free_port(), socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> list[Any]:
        if host != "serving-pods":
            return real(host, *arguments, **options)
        return [entry for address in ("127.0.0.1", "127.0.0.2") for entry in real(address, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    name = f"serving-pods:{port}"
    with contextlib.ExitStack() as stack:
        for address in ("127.0.0.1", "127.0.0.2"):
            (tmp_path / address).mkdir()
            arguments = [f"--serving_dir={serving_dir}", f"--port={port}", f"--bind_address={address}", *QUICK]
            stack.enter_context(running_server(tmp_path / address, *arguments))
        assert promote(serving_dir, "shout", 1, server=name).live
        for address in ("127.0.0.1", "127.0.0.2"):
            with Client(f"{address}:{port}") as client:
                assert _version(client) == _version(client, "stable") == 1
        (model,) = list_models(serving_dir, server=name)
        assert {v.version: v.state for v in model.versions}[1] == "AVAILABLE"
        (serving_dir / "shout" / "2" / "saved_model.pb").write_bytes(b"damaged")
        with pytest.raises(RolloutError, match="Version 2 of shout does not load"):
            promote(serving_dir, "shout", 2, server=name, timeout_s=20)
        for address in ("127.0.0.1", "127.0.0.2"):
            with Client(f"{address}:{port}") as client:
                assert _version(client, "stable") == 1
    with pytest.raises(RolloutError, match=r"127\.0\.0\.1:\d+ does not answer"):
        promote(serving_dir, "shout", 1, server=name, timeout_s=2)
