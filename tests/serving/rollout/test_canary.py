"""A pushed version is tried beside the stable one, against the real process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from charseq_client import Client, PredictionError
from charseq_client.arrays import to_proto
from charseq_client.messages import prediction_log_pb2
from serving.free_port import free_port
from serving.rollout import RolloutError, promote, rollback
from serving.rollout.canary import hold, roll_out
from serving.rollout.history import read_history
from serving.rollout.trial import CanaryLimits
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, running_server
from tests.serving.saved_models import write_records, write_warmup

pytestmark = pytest.mark.e2e

QUICK = ("--file_system_poll_wait_seconds=0.1", "--max_num_load_retries=0")


def _log(text: str, signature: str = "") -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = "recorded elsewhere", signature
    request.inputs["text"].CopyFrom(to_proto("text", [text]))
    return log


@pytest.fixture
def serving_dir(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> Path:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    return tmp_path / "serving"


@pytest.fixture
def server(tmp_path: Path, serving_dir: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path, f"--serving_dir={serving_dir}", *QUICK) as running:
        yield running


def _push_with_requests(push: Push, model: Path, serving_dir: Path, version: int, *texts: str) -> None:
    folder = push(model, serving_dir / "shout", version)
    write_warmup(folder, *(_log(text) for text in texts))


def _served(server: RunningServer, label: str | None = None) -> int:
    with Client(server.target) as client:
        return client.predict({"text": ["ab"]}, model="shout", label=label).version


def test_a_canary_that_keeps_to_the_limits_is_promoted(
    serving_dir: Path, server: RunningServer, shout_models: dict[int, Path], push: Push
) -> None:
    assert hold(serving_dir, "shout", server.target) == 1
    _push_with_requests(push, shout_models[2], serving_dir, 2, "a", "bc")
    assert _served(server) == 1  # what nobody has tried is not served

    result = roll_out(serving_dir, "shout", 2, server.target)

    assert (result.promoted, result.stable, result.reasons, result.requests) == (True, 2, (), 2)
    assert result.agreement == 0.0  # every answer of this model begins with its version
    assert result.slowdown is not None
    assert _served(server, "stable") == 2
    assert rollback(serving_dir, "shout", server=server.target).version == 1


def test_a_refused_canary_never_gets_the_label_and_is_not_rolled_back_to(
    serving_dir: Path, server: RunningServer, shout_models: dict[int, Path], push: Push
) -> None:
    hold(serving_dir, "shout", server.target)
    _push_with_requests(push, shout_models[2], serving_dir, 2, "a")

    result = roll_out(serving_dir, "shout", 2, server.target, limits=CanaryLimits(min_agreement=0.5))

    assert (result.promoted, result.stable) == (False, 1)
    assert result.reasons == ("0.0% of 1 answers are those of the stable version; min_agreement is 50.0%",)
    assert _served(server) == _served(server, "stable") == 1
    with pytest.raises(PredictionError, match="canary"):
        _served(server, "canary")
    last = read_history(serving_dir)[-1]
    assert (last.action, last.version, last.previous, last.reason) == ("refuse", 2, 1, result.reasons[0])
    push(shout_models[3], serving_dir / "shout", 3)
    promote(serving_dir, "shout", 3, server=server.target)
    assert rollback(serving_dir, "shout", server=server.target).version == 1


def test_a_canary_that_refuses_what_the_stable_version_answers(
    tmp_path: Path,
    serving_dir: Path,
    server: RunningServer,
    numbers_model: Path,
    push: Push,
) -> None:
    hold(serving_dir, "shout", server.target)
    push(numbers_model, serving_dir / "shout", 2)  # has no input `text`
    write_records(tmp_path / "log", [_log("ab").SerializeToString(), _log("bad!").SerializeToString()])

    result = roll_out(serving_dir, "shout", 2, server.target, recorded=tmp_path / "log")

    assert not result.promoted
    (reason,) = result.reasons  # what both refuse is not the canary's fault
    assert reason.startswith("recorded request 0: INVALID_ARGUMENT: input size does not match signature")
    assert _served(server, "stable") == 1


def test_a_canary_that_does_not_load(serving_dir: Path, server: RunningServer, tmp_path: Path) -> None:
    hold(serving_dir, "shout", server.target)
    broken = serving_dir / "shout" / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"not a model")
    write_records(tmp_path / "log", [_log("ab").SerializeToString()])

    result = roll_out(serving_dir, "shout", 2, server.target, recorded=tmp_path / "log")

    assert (result.promoted, result.stable) == (False, 1)
    assert "Version 2 of shout does not load" in result.reasons[0]
    assert _served(server) == 1


def test_the_first_version_of_a_model(
    serving_dir: Path, server: RunningServer, shout_models: dict[int, Path], push: Push
) -> None:
    assert hold(serving_dir, "new", server.target) is None
    folder = push(shout_models[2], serving_dir / "new", 2)
    write_warmup(folder, _log("a"))
    with Client(server.target) as client:
        client.wait_until_available("new")
        result = roll_out(serving_dir, "new", 2, server.target)
        assert (result.promoted, result.stable, result.agreement, result.slowdown) == (True, 2, None, None)
        assert client.predict({"text": ["a"]}, model="new", label="stable").version == 2


def test_what_cannot_be_tried(serving_dir: Path, server: RunningServer, tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"There is no version 7 of shout in .*; there is 1"):
        roll_out(serving_dir, "shout", 7, server.target)
    with pytest.raises(RolloutError, match="recorded requests .* cannot be read: .*No such file"):
        roll_out(serving_dir, "shout", 1, server.target)
    write_records(tmp_path / "empty", [prediction_log_pb2.PredictionLog().SerializeToString()])
    with pytest.raises(RolloutError, match="There is no recorded Predict in"):
        roll_out(serving_dir, "shout", 1, server.target, recorded=tmp_path / "empty")
    with pytest.raises(RolloutError, match="does not answer"):
        hold(serving_dir, "shout", f"127.0.0.1:{free_port()}")


def test_the_command(
    serving_dir: Path, server: RunningServer, shout_models: dict[int, Path], push: Push, tmp_path: Path
) -> None:
    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "serving.rollout.canary", *map(os.fspath, map(str, arguments))]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    server_flag = f"--server={server.target}"
    ended = run(serving_dir, "shout", "--hold", server_flag)
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"stable": 1})
    _push_with_requests(push, shout_models[2], serving_dir, 2, "a")
    ended = run(serving_dir, "shout", 2, server_flag, "--min_agreement=1")
    assert (ended.returncode, json.loads(ended.stdout)["promoted"]) == (1, False)
    ended = run(serving_dir, "shout", 2, server_flag)
    assert (ended.returncode, json.loads(ended.stdout)["stable"]) == (0, 2)
    ended = run(serving_dir, "shout", 9, server_flag)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "There is no version 9 of shout" in ended.stderr
