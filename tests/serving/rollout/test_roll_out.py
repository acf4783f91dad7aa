"""A canary from its push to its label or its refusal, against a server that is a double; what it is tried with is given."""

import json

import pytest

from serving.contract.canary_result import CanaryResult
from serving.rollout import RolloutError, canary
from serving.rollout.canary import hold, main, roll_out
from serving.rollout.history import read_history
from serving.rollout.trial import CanaryLimits, Found
from tests.serving.rollout.doubles import Double, save, served

SERVER = "localhost:8500"


@pytest.fixture
def folder(tmp_path):
    """A serving folder with the versions 1 and 2 of `m`."""
    save(tmp_path, 1, 2)
    return tmp_path


@pytest.fixture
def server(monkeypatch):
    """A server that has loaded both, as the newest comes by itself."""
    with served(monkeypatch, Double({"m": {1, 2}})) as double:
        yield double


@pytest.fixture
def trial(monkeypatch, server):
    """What the canary is tried with, and what comes of it."""
    asked = {"found": Found([], 0.5, 1.5)}

    def read_requests(path):
        asked["recorded"] = path
        return ["request"] * 4

    def compare(*arguments):
        asked["compare"] = arguments
        asked["labels"] = {label: server.labels.versions("m", label) for label in server.labels.names("m")}
        if isinstance(asked["found"], Exception):
            raise asked["found"]
        return asked["found"]

    monkeypatch.setattr(canary, "read_requests", read_requests)
    monkeypatch.setattr(canary, "compare", compare)
    return asked


def test_a_canary_that_keeps_to_the_limits_becomes_stable(folder, server, trial):
    limits = CanaryLimits(timeout_s=8.0)
    result = roll_out(folder, "m", 2, SERVER, limits=limits)
    assert result == CanaryResult("m", 2, 2, True, (), 4, 0.5, 1.5)
    assert trial["recorded"] == folder / "m" / "2" / "assets.extra" / "tf_serving_warmup_requests"
    assert trial["compare"] == (
        ["request"] * 4,
        SERVER,
        "m",
        {"version_label": "stable"},
        {"version_label": "canary"},
        limits,
    )
    assert trial["labels"] == {"stable": (1,), "canary": (2,)}
    assert server.serving["m"] == {2}
    assert server.labels.versions("m", "stable") == (2,)
    assert [(entry.action, entry.version) for entry in read_history(folder)] == [("promote", 1), ("promote", 2)]
    assert set(server.timeouts) == {8.0, 5.0}, "the limit is that of each load; only states are asked for with less"


def test_a_canary_that_is_refused_is_withdrawn_and_the_history_says_why(folder, server, trial):
    trial["found"] = Found(["it is slow", "it refuses"], 0.25, 9.0)
    result = roll_out(folder, "m", 2, SERVER, recorded="requests.log")
    assert result == CanaryResult("m", 2, 1, False, ("it is slow", "it refuses"), 4, 0.25, 9.0)
    assert str(trial["recorded"]) == "requests.log"
    assert trial["compare"][-1] == CanaryLimits()
    assert server.serving["m"] == {1}
    assert server.labels.names("m") == ("stable",)
    last = read_history(folder)[-1]
    assert (last.model, last.action, last.version, last.previous, last.reason) == (
        "m",
        "refuse",
        2,
        1,
        "it is slow; it refuses",
    )


def test_a_canary_that_does_not_load_is_refused(folder, server, trial):
    server.serving["m"] = {1}
    server.damaged = {2}
    result = roll_out(folder, "m", 2, SERVER)
    assert (result.promoted, result.stable, result.agreement) == (False, 1, None)
    assert result.reasons == ("Version 2 of m does not load: it is damaged",)
    assert server.serving["m"] == {1}


def test_a_server_that_is_gone_after_the_trial_does_not_load_the_canary_again(folder, server, trial, monkeypatch):
    trial["found"] = RolloutError("localhost:8500 does not answer")
    calls = []
    real = canary.set_canary

    def set_canary(serving_dir, model, version, *, server=None, **timeout):
        calls.append((version, server))
        if version is None and server:
            raise RolloutError("it does not answer")
        return real(serving_dir, model, version, server=server, **timeout)

    monkeypatch.setattr(canary, "set_canary", set_canary)
    result = roll_out(folder, "m", 2, SERVER)
    assert result.reasons == ("localhost:8500 does not answer",)
    assert calls == [(2, SERVER), (None, SERVER), (None, None)]
    assert "canary" not in (folder / "models.config").read_text()


def test_the_first_version_of_a_model_is_tried_by_its_number(folder, server, trial):
    server.serving["m"] = {2}
    (folder / "m" / "1" / "saved_model.pb").unlink()
    limits = CanaryLimits(timeout_s=6.0)
    assert roll_out(folder, "m", 2, SERVER, limits=limits).stable == 2
    assert trial["compare"][3:] == (None, {"version": 2}, limits)
    assert trial["labels"] == {}
    assert server.labels.versions("m", "stable") == (2,)
    assert 60.0 not in server.timeouts


def test_a_first_version_that_is_refused_has_nothing_to_withdraw(folder, server, trial, monkeypatch):
    server.serving["m"] = {2}
    (folder / "m" / "1" / "saved_model.pb").unlink()
    trial["found"] = Found(["no"], None, None)
    monkeypatch.setattr(canary, "set_canary", None)  # not called
    result = roll_out(folder, "m", 2, SERVER)
    assert (result.stable, result.promoted) == (None, False)
    assert not (folder / "models.config").exists()


def test_what_is_not_there_is_not_tried(folder, server, trial):
    with pytest.raises(RolloutError, match="There is no model nobody here"):
        roll_out(folder, "nobody", 1, SERVER)
    with pytest.raises(RolloutError, match="There is no version 9 of m"):
        roll_out(folder, "m", 9, SERVER)
    assert "recorded" not in trial


def test_a_server_is_held_at_what_it_serves(folder, server):
    server.serving["m"] = {1}
    assert hold(folder, "m", SERVER) == 1
    assert server.labels.versions("m", "stable") == (1,)
    assert server.serving["m"] == {1}
    assert hold(folder, "new", SERVER) is None


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["canary", *map(str, arguments)])
    try:
        status = main()
    except SystemExit as ended:
        status = ended.code
    return status, *capsys.readouterr()


def test_the_command_prints_what_came_of_it(folder, server, trial, monkeypatch, capsys):
    status, out, _ = run(
        monkeypatch, capsys, folder, "m", 2, "--server", SERVER, "--max_slowdown", 7, "--min_agreement", 0.5
    )
    assert status == 0
    assert CanaryResult.from_json(out).promoted
    assert trial["compare"][-1] == CanaryLimits(max_slowdown=7.0, min_agreement=0.5)
    trial["found"] = Found(["no"], None, None)
    status, out, _ = run(monkeypatch, capsys, folder, "m", 1, "--server", SERVER, "--recorded", "other.log")
    assert (status, CanaryResult.from_json(out).reasons) == (1, ("no",))
    assert str(trial["recorded"]) == "other.log"
    assert trial["compare"][-1] == CanaryLimits()


def test_the_command_holds(folder, server, monkeypatch, capsys):
    status, out, _ = run(monkeypatch, capsys, folder, "m", "--hold", "--server", SERVER)
    assert (status, json.loads(out)) == (0, {"stable": 2})


@pytest.mark.parametrize("arguments", [["m"], ["m", "2", "--hold"]])
def test_the_command_wants_a_version_or_hold(folder, server, monkeypatch, capsys, arguments):
    status, _, error = run(monkeypatch, capsys, folder, *arguments, "--server", SERVER)
    assert status == 2
    assert "give a VERSION, or --hold" in error


def test_the_command_names_its_server(folder, server, monkeypatch, capsys):
    status, _, error = run(monkeypatch, capsys, folder, "m", 2)
    assert (status, "--server" in error) == (2, True)


def test_the_command_says_what_cannot_be_tried(folder, server, trial, monkeypatch, capsys):
    status, out, error = run(monkeypatch, capsys, folder, "m", 9, "--server", SERVER)
    assert (status, out) == (2, "")
    assert error.startswith("There is no version 9 of m in ")
