"""Versions come and go: real processes, real folders."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from charseq_client import Client, PredictionError, VersionStatus
from serving.contract.errors import Code
from tests.serving.conftest import Push
from tests.serving.processes import ROOT, RunningServer, run_server, running_server

pytestmark = pytest.mark.e2e

# One operation at a time, which is TensorFlow's choice on one CPU, would let the slow signature stop everything else.
PARALLEL = "--tensorflow_inter_op_parallelism=4"
QUICK = (PARALLEL, "--file_system_poll_wait_seconds=0.1", "--load_retry_interval_micros=300000")


def _wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _statuses(client: Client, model: str = "shout") -> dict[int, VersionStatus]:
    return {status.version: status for status in client.status(model)}


@pytest.fixture(scope="module")
def serving_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lifecycle") / "serving"


@pytest.fixture(scope="module")
def server(serving_dir: Path) -> Iterator[RunningServer]:
    with running_server(serving_dir.parent, f"--serving_dir={serving_dir}", "--max_num_load_retries=1000", *QUICK) as s:
        yield s


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.target, timeout=120) as client:
        yield client


def test_a_model_that_appears_is_picked_up(
    client: Client, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    with pytest.raises(PredictionError) as caught:
        client.predict({"text": ["ab"]}, model="appears")
    assert caught.value.code == Code.NOT_FOUND
    push(shout_models[1], serving_dir / "appears", 1)

    assert client.wait_until_available("appears") == 1
    assert client.predict({"text": ["ab"]}, model="appears").strings("text") == ["1:ab:AB"]


def test_versions_swap_under_load_without_a_failed_request(
    client: Client, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = serving_dir / "swap"
    push(shout_models[1], base, 1)
    client.wait_until_available("swap")
    stop, failures, answered = threading.Event(), [], []

    def call() -> None:
        while not stop.is_set():
            try:
                prediction = client.predict({"text": ["ab"]}, model="swap")
                # Folder N holds the model that says 1 + (N - 1) % 3.
                if prediction.strings("text") != [f"{1 + (prediction.version - 1) % 3}:ab:AB"]:
                    failures.append(prediction)
                answered.append(prediction.version)
            except Exception as error:
                failures.append(error)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    try:
        for version in range(2, 12):
            push(shout_models[1 + (version - 1) % 3], base, version)
            _wait_for(lambda v=version: _statuses(client, "swap").get(v, None) is not None)
            _wait_for(lambda v=version: _statuses(client, "swap")[v].state == "AVAILABLE")
            _wait_for(lambda v=version: v in answered)
    finally:
        stop.set()
        for caller in callers:
            caller.join()

    assert not failures
    assert set(answered) == set(range(1, 12))
    _wait_for(lambda: {s.state for v, s in _statuses(client, "swap").items() if v < 11} == {"END"})


def test_a_request_in_progress_finishes_on_the_version_it_began_with(
    client: Client, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = serving_dir / "progress"
    push(shout_models[1], base, 1)
    client.wait_until_available("progress")
    results = []

    def call_slowly() -> None:
        results.append(client.predict({"seconds": np.float64(1.5)}, model="progress", signature="slow", timeout=60))

    caller = threading.Thread(target=call_slowly)
    caller.start()
    time.sleep(0.2)
    push(shout_models[2], base, 2)
    _wait_for(lambda: _statuses(client, "progress")[1].state == "UNLOADING")
    assert client.predict({"text": ["ab"]}, model="progress").version == 2
    caller.join()

    assert results[0].version == 1
    _wait_for(lambda: _statuses(client, "progress")[1].state == "END")


def test_a_corrupt_version_leaves_the_old_one_serving_says_why_and_is_retried(
    client: Client, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = serving_dir / "corrupt"
    push(shout_models[1], base, 1)
    client.wait_until_available("corrupt")
    broken = push(shout_models[2], base, 2)
    model_file = broken / "saved_model.pb"
    _wait_for(lambda: _statuses(client, "corrupt").get(2) is not None)
    client.wait_until_available("corrupt", version=2)
    broken = push(shout_models[3], base, 30)
    client.wait_until_available("corrupt", version=30)

    corrupt = serving_dir / ".corrupt"
    shutil.copytree(shout_models[1], corrupt)
    model_file = corrupt / "saved_model.pb"
    whole = model_file.read_bytes()
    model_file.write_bytes(b"this is no protocol buffer")
    corrupt.rename(base / "31")
    _wait_for(lambda: 31 in _statuses(client, "corrupt") and _statuses(client, "corrupt")[31].error_code != Code.OK)
    status = _statuses(client, "corrupt")[31]
    assert status.state == "LOADING"
    assert "saved_model.pb" in status.error_message
    assert client.predict({"text": ["ab"]}, model="corrupt").version == 30

    (base / "31" / "saved_model.pb").write_bytes(whole)
    assert client.wait_until_available("corrupt", version=31) == 31
    assert _statuses(client, "corrupt")[31].error_code == Code.OK
    assert client.predict({"text": ["ab"]}, model="corrupt").version == 31


def test_a_model_whose_folder_is_deleted_is_unloaded(
    client: Client, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    push(shout_models[1], serving_dir / "deleted", 1)
    client.wait_until_available("deleted")
    shutil.rmtree(serving_dir / "deleted")

    _wait_for(lambda: _statuses(client, "deleted")[1].state == "END")
    with pytest.raises(PredictionError) as caught:
        client.predict({"text": ["ab"]}, model="deleted")
    assert caught.value.code == Code.NOT_FOUND


def test_the_next_lower_version_is_served_again_when_the_highest_is_removed(
    client: Client, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = serving_dir / "removed"
    push(shout_models[1], base, 1)
    push(shout_models[2], base, 2)
    client.wait_until_available("removed", version=2)
    shutil.rmtree(base / "2")

    assert client.wait_until_available("removed", version=1) == 1
    _wait_for(lambda: _statuses(client, "removed")[2].state == "END")
    assert client.predict({"text": ["ab"]}, model="removed").strings("text") == ["1:ab:AB"]


def test_memory_does_not_grow_over_reloads(
    client: Client, server: RunningServer, serving_dir: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = serving_dir / "memory"
    resident = []
    for version in range(1, 41):
        push(shout_models[1], base, version)
        client.wait_until_available("memory", version=version)
        client.predict({"text": ["ab"]}, model="memory")
        resident.append(server.resident_mib())

    # Measured: 0.002 MiB a reload; one leaked session of this tiny model is 0.3 MiB and more.
    assert resident[-1] - resident[9] < 4, resident


def test_after_a_restart_the_last_version_that_loads_is_served(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    push(shout_models[2], base, 2)
    for version in (3, 4):
        (push(shout_models[3], base, version) / "saved_model.pb").write_bytes(b"damaged")
    with (
        running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}", "--max_num_load_retries=0", *QUICK) as server,
        Client(server.target) as client,
    ):
        assert client.predict({"text": ["ab"]}, model="shout").version == 2
        assert _statuses(client)[4].error_code != Code.OK
        # And the first version that does load takes over.
        push(shout_models[3], base, 5)
        client.wait_until_available("shout", version=5)
        _wait_for(lambda: _statuses(client)[2].state == "END")


def test_one_model_that_does_not_load_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "candidate" / "1").mkdir(parents=True)
    ended = run_server(f"--model_base_path={tmp_path / 'candidate'}", "--port=0", "--max_num_load_retries=0")

    assert ended.returncode == 1
    assert "Failed to start server" in ended.stderr
    assert "Could not find SavedModel .pb" in ended.stderr


def test_sigterm_lets_requests_finish(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "shout", 1)
    arguments = (f"--model_base_path={tmp_path / 'shout'}", "--model_name=shout", PARALLEL)
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        results = []
        caller = threading.Thread(
            target=lambda: results.append(
                client.predict({"seconds": np.float64(1)}, model="shout", signature="slow", timeout=60)
            )
        )
        caller.start()
        time.sleep(0.3)
        assert server.terminate() == 0
        caller.join()

        assert results[0].version == 1


def test_sigterm_does_not_wait_for_a_request_longer_than_the_grace_period(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    push(shout_models[1], tmp_path / "shout", 1)
    arguments = (f"--model_base_path={tmp_path / 'shout'}", "--model_name=shout", "--shutdown_grace_seconds=0.5")
    with running_server(tmp_path, *arguments, PARALLEL) as server, Client(server.target) as client:
        errors = []

        def call() -> None:
            try:
                client.predict({"seconds": np.float64(60)}, model="shout", signature="slow", timeout=90)
            except PredictionError as error:
                errors.append(error.code)

        caller = threading.Thread(target=call)
        caller.start()
        time.sleep(0.3)
        started = time.monotonic()
        assert server.terminate() == 0
        caller.join()

        assert time.monotonic() - started < 10
        assert errors in ([Code.UNAVAILABLE], [Code.CANCELLED])


def test_sigterm_while_it_waits_for_a_model(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serving", f"--model_base_path={tmp_path}", "--port=0"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = any("Waiting for a version" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        try:
            assert (said, process.wait(120)) == (True, 0)
        finally:
            process.kill()


def test_sigkill_of_the_server_and_the_next_start(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    for _ in range(2):
        with (
            running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}") as server,
            Client(server.target) as client,
        ):
            assert client.predict({"text": ["ab"]}, model="shout").version == 1
            server.process.kill()
            server.process.wait()
