"""What can go wrong in production: swaps under load, killed processes, bad models."""

import http.client
import json
import random
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from charseq_client import Client, PredictionError, Retries
from charseq_client.arrays import to_proto
from charseq_client.messages import prediction_log_pb2
from serving.contract.errors import Code
from serving.free_port import free_port
from serving.rollout import promote, rollback
from tests.serving.conftest import Push
from tests.serving.load import QUICK, checked_version, load
from tests.serving.processes import ROOT, running_server
from tests.serving.saved_models import write_warmup

pytestmark = pytest.mark.e2e


def _wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.mark.parametrize("swaps", [20, pytest.param(200, marks=pytest.mark.slow)], ids=["20 swaps", "200 swaps"])
def test_swaps_under_load_from_32_callers(
    tmp_path: Path, shout_models: dict[int, Path], push: Push, swaps: int
) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    with (
        running_server(tmp_path, f"--serving_dir={base.parent}", *QUICK) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
    ):
        client.wait_until_available("shout", version=1)
        with load(32, lambda: checked_version(client)) as seen:
            for version in range(2, swaps + 2):
                push(shout_models[1 + (version - 1) % 3], base, version)
                client.wait_until_available("shout", version=version)
                # The next swap begins when callers have seen this one.
                _wait_for(lambda v=version: v in seen.answered)
                if version > 3:
                    shutil.rmtree(base / str(version - 2))

    assert seen.failures == []
    assert set(seen.answered) == set(range(1, swaps + 2))


def test_rollouts_and_rollbacks_under_load(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    serving_dir = tmp_path / "serving"
    for version in (1, 2, 3):
        push(shout_models[version], serving_dir / "shout", version)
    with (
        running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
    ):
        promote(serving_dir, "shout", 3, server=server.target)
        with (
            load(8, lambda: checked_version(client, "stable")) as labelled,
            load(8, lambda: checked_version(client)) as unversioned,
        ):
            for version in (1, 2, 3, 1):
                promote(serving_dir, "shout", version, server=server.target)
            rollback(serving_dir, "shout", server=server.target)

    assert labelled.failures == unversioned.failures == []
    assert set(labelled.answered) == {1, 2, 3}


def test_kill_of_the_server_while_it_loads(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    chance = random.Random(0)
    command = [sys.executable, "-m", "serving", f"--serving_dir={base.parent}", "--port=0"]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.2, 1.5))
        process.kill()
        process.wait()
    with running_server(tmp_path, f"--serving_dir={base.parent}", *QUICK) as server, Client(server.target) as client:
        assert checked_version(client) == 1


@pytest.mark.slow
def test_kill_of_the_server_at_20_moments_of_a_rollout(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    serving_dir = tmp_path / "serving"
    for version in (1, 2):
        push(shout_models[version], serving_dir / "shout", version)
    chance = random.Random(0)
    promote(serving_dir, "shout", 1)
    for attempt in range(20):
        target = 1 + (attempt + 1) % 2
        with running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as server:
            with Client(server.target) as client:
                before = checked_version(client, "stable")
            arguments = f"{str(serving_dir)!r}, 'shout', {target}, server={server.target!r}, timeout_s=5"
            code = f"from serving.rollout import promote; promote({arguments})"
            with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL) as pusher:
                time.sleep(chance.uniform(0.3, 1.2))
                server.process.kill()
                pusher.wait()
        with (
            running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as server,
            Client(server.target) as client,
        ):
            assert checked_version(client, "stable") in (before, target)


def test_kill_of_a_pusher_never_shows_half_a_version(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    code = textwrap.dedent(f"""
        import shutil, sys, time
        from pathlib import Path
        version, source, base = int(sys.argv[1]), sys.argv[2], Path({str(base)!r})
        aside = base / f".{{version}}.tmp"
        def slowly(source, target):
            data = open(source, "rb").read()
            with open(target, "wb") as file:
                for start in range(0, len(data), 4096):
                    file.write(data[start : start + 4096])
                    file.flush()
                    time.sleep(0.002)
        shutil.copytree(source, aside, copy_function=slowly)
        aside.rename(base / str(version))
    """)
    chance = random.Random(1)
    with (
        running_server(tmp_path, f"--serving_dir={base.parent}", *QUICK) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
        load(4, lambda: checked_version(client)) as seen,
    ):
        for version in range(2, 12):
            command = [sys.executable, "-c", code, str(version), str(shout_models[1 + (version - 1) % 3])]
            with subprocess.Popen(command) as pusher:
                time.sleep(chance.uniform(0.02, 0.4))
                pusher.kill()
        statuses = client.status("shout")

    assert seen.failures == []
    # Whatever became visible was whole.
    assert all(status.error_code == Code.OK for status in statuses), statuses


@pytest.mark.parametrize("case", ["corrupt", "without its variables", "fails its first request", "damaged warm-up"])
def test_a_bad_version_leaves_the_old_one_serving(
    tmp_path: Path, shout_models: dict[int, Path], push: Push, case: str
) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    bad = tmp_path / "bad"
    shutil.copytree(shout_models[2], bad)
    if case == "corrupt":
        (bad / "saved_model.pb").write_bytes(b"\xff" * 2000)  # random bytes give one of several errors
        reason = "saved_model.pb"
    elif case == "without its variables":
        shutil.rmtree(bad / "variables")  # TensorFlow loads it without a word
        reason = "variables/variables.index"
    elif case == "fails its first request":
        log = prediction_log_pb2.PredictionLog()
        log.predict_log.request.inputs["question"].CopyFrom(to_proto("question", ["ab"]))
        write_warmup(bad, log)
        reason = "text(feed name: serving_default_text:0) not found in request"
    else:
        (bad / "assets.extra").mkdir()
        (bad / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"damaged")
        reason = "Please verify your warmup data is in TFRecord format."
    with (
        running_server(tmp_path, f"--serving_dir={base.parent}", *QUICK) as server,
        Client(server.target, retries=Retries(max_attempts=1)) as client,
        load(4, lambda: checked_version(client)) as seen,
    ):
        push(bad, base, 2)

        def failed() -> bool:
            return any(s.version == 2 and s.state == "END" for s in client.status("shout"))

        _wait_for(failed)
        time.sleep(0.3)
        status = client.status("shout", version=2)[0]

    assert seen.failures == []
    assert set(seen.answered) == {1}
    assert status.error_code != Code.OK
    assert status.error_message
    assert reason in status.error_message


def test_a_version_with_other_signatures_answers_for_itself(
    tmp_path: Path, shout_models: dict[int, Path], numbers_model: Path, push: Push
) -> None:
    base = tmp_path / "serving" / "shout"
    push(shout_models[1], base, 1)
    with running_server(tmp_path, f"--serving_dir={base.parent}", *QUICK) as server, Client(server.target) as client:
        promote(base.parent, "shout", 1, server=server.target)
        push(numbers_model, base, 2)
        time.sleep(0.3)
        # A pinned version is not replaced by whatever is pushed; that is for a canary to find out.
        assert checked_version(client) == 1
        promote(base.parent, "shout", 2, server=server.target)
        with pytest.raises(PredictionError) as caught:
            client.predict({"text": ["ab"]}, model="shout")
        assert "input size does not match signature: 1!=2" in caught.value.message
        rollback(base.parent, "shout", server=server.target)
        assert checked_version(client) == 1


def test_memory_is_bounded_over_rest_requests(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    arguments = (f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}")
    with running_server(tmp_path, *arguments) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)

        def ask(times: int) -> float:
            for _ in range(times):
                connection.request("POST", "/v1/models/shout:predict", json.dumps({"instances": ["ab"] * 50}))
                assert connection.getresponse().read()
            return server.resident_mib()

        before = ask(300)
        assert ask(500) < before + 8
