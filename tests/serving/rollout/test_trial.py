"""Recorded requests sent to two versions: what is asked, what is compared, and what refuses a canary. No server is started."""

import contextlib
import itertools

import grpc
import pytest

from charseq_client.arrays import to_proto
from charseq_client.messages import predict_pb2, prediction_log_pb2
from serving.contract.layout import CANARY, STABLE
from serving.contract.tfrecord import frame_record
from serving.rollout import RolloutError, trial
from serving.rollout.trial import CanaryLimits, compare, read_requests

BOTH = ({"version_label": "stable"}, {"version_label": "canary"})


class Refused(grpc.RpcError):
    def code(self):
        return grpc.StatusCode.INVALID_ARGUMENT

    def details(self):
        return "text[0] is empty"


@pytest.fixture
def server(monkeypatch):
    """A server whose two versions answer as the test says, on a clock that counts a millisecond for each answer."""
    calls = []
    clock = {"now": 0.0}

    class Stub:
        def __init__(self, channel):
            assert channel == "channel to localhost:8500"

        def Predict(self, request, timeout):  # noqa: N802 - gRPC's name
            side = request.model_spec.version_label or f"version {request.model_spec.version.value}"
            calls.append((side, request, timeout))
            clock["now"] += clock.get(side, 0.001)
            (text,) = request.inputs["text"].string_val
            answer = answers.get((side, text.decode()), text.upper())
            if isinstance(answer, Exception):
                raise answer
            response = predict_pb2.PredictResponse()
            response.outputs["text"].CopyFrom(to_proto("text", [answer]))
            response.outputs["log_prob"].CopyFrom(to_proto("log_prob", [float(len(calls))]))
            if answer == b"numbers alone":
                del response.outputs["text"]
            return response

    answers = {}
    monkeypatch.setattr(trial.grpc, "insecure_channel", lambda target: contextlib.nullcontext(f"channel to {target}"))
    monkeypatch.setattr(trial, "PredictionServiceStub", Stub)
    monkeypatch.setattr(trial.time, "perf_counter", lambda: clock["now"])
    return calls, answers, clock


def requests(*texts):
    made = []
    for text in texts:
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "recorded elsewhere", "nbest"
        request.model_spec.version.value = 3
        request.inputs["text"].CopyFrom(to_proto("text", [text]))
        made.append(request)
    return made


def ask(*texts, sides=BOTH, **limits):
    return compare(requests(*texts), "localhost:8500", "m", *sides, CanaryLimits(**limits))


def test_each_request_goes_to_both_in_turn(server):
    calls, _, _ = server
    found = ask("a", "b", repeats=2, timeout_s=9.0)
    assert [side for side, _, _ in calls] == ["stable", "canary"] * 4
    assert {timeout for _, _, timeout in calls} == {9.0}
    for _, request, _ in calls:
        assert (request.model_spec.name, request.model_spec.signature_name) == ("m", "nbest")
    assert (found.reasons, found.agreement, found.slowdown) == ([], 1.0, pytest.approx(1.0))


def test_what_was_recorded_is_not_changed(server):
    recorded = requests("a")
    compare(recorded, "localhost:8500", "m", *BOTH, CanaryLimits())
    assert recorded == requests("a")


def test_a_first_version_is_asked_alone_by_its_number(server):
    calls, _, _ = server
    found = ask("a", sides=(None, {"version": 5}), repeats=1)
    assert [side for side, _, _ in calls] == ["version 5"]
    assert (found.reasons, found.agreement, found.slowdown) == ([], None, None)


def test_what_the_canary_refuses_and_the_stable_version_answers_is_a_reason(server):
    _, answers, _ = server
    answers["canary", "b"] = Refused()
    found = ask("a", "b")
    assert found.reasons == ["recorded request 1: INVALID_ARGUMENT: text[0] is empty"]
    assert found.agreement == 1.0


def test_what_a_first_version_refuses_is_a_reason(server):
    _, answers, _ = server
    answers["version 5", "b"] = Refused()
    assert len(ask("a", "b", sides=(None, {"version": 5})).reasons) == 1


def test_what_both_refuse_or_the_stable_version_alone_is_none(server):
    _, answers, _ = server
    answers["canary", "b"] = answers["stable", "b"] = answers["stable", "c"] = Refused()
    found = ask("b", "c")
    assert (found.reasons, found.agreement) == ([], None)


@pytest.mark.parametrize(
    ("refused", "last"), [(3, "recorded request 2: "), (4, "and 1 more of 7"), (7, "and 4 more of 7")]
)
def test_many_reasons_are_counted(server, refused, last):
    _, answers, _ = server
    for text in "abcdefg"[:refused]:
        answers["canary", text] = Refused()
    reasons = ask(*"abcdefg").reasons
    assert len(reasons) == min(refused, 4)
    assert reasons[-1].startswith(last)
    assert reasons[0].startswith("recorded request 0: ")


@pytest.mark.parametrize(("least", "refused"), [(0.0, False), (0.75, False), (0.76, True)])
def test_answers_that_differ_count_against_the_agreement(server, least, refused):
    _, answers, _ = server
    answers["canary", "d"] = b"other"
    found = ask("a", "b", "c", "d", min_agreement=least)
    assert found.agreement == 0.75
    reason = f"75.0% of 4 answers are those of the stable version; min_agreement is {least:.1%}"
    assert found.reasons == ([reason] if refused else [])


def test_numbers_are_not_compared(server):
    _, answers, _ = server
    answers["canary", "a"] = answers["stable", "a"] = b"numbers alone"
    answers["canary", "b"] = b"other"
    assert ask("a", "b").agreement == 0.0


@pytest.mark.parametrize(
    ("stable", "canary", "refused"),
    [(0.010, 0.030, False), (0.010, 0.031, True), (0.001, 0.0049, False), (0.001, 0.0051, True), (0.010, 0.001, False)],
)
def test_a_canary_that_is_slow(server, stable, canary, refused):
    _, _, clock = server
    clock["stable"], clock["canary"] = stable, canary
    found = ask("a", max_slowdown=3.0000001)
    assert found.slowdown == pytest.approx(canary / stable)
    words = (
        f"its median latency is {canary * 1000:.1f} ms, {canary / stable:.1f} times that of the stable version; "
        "max_slowdown is 3"
    )
    assert found.reasons == ([words] if refused else [])


@pytest.mark.parametrize(("stable", "canary"), [(0.25, 0.75), (0.125, 0.5)])
def test_a_canary_at_the_limit_is_not_slow(server, stable, canary):
    _, _, clock = server
    clock["stable"], clock["canary"] = stable, canary
    assert ask("a", max_slowdown=3.0, negligible_s=0.5).reasons == []
    clock["canary"] = 0.8125
    assert ask("a", max_slowdown=3.0).reasons[0].startswith("its median latency is 812.5 ms, ")


def test_the_limits_that_hold_unless_said_otherwise():
    limits = CanaryLimits()
    assert (limits.max_slowdown, limits.min_agreement, limits.repeats, limits.timeout_s) == (3.0, 0.0, 5, 60.0)


def log(text):
    logged = prediction_log_pb2.PredictionLog()
    logged.predict_log.request.CopyFrom(requests(text)[0])
    return logged


def write_records(path, *logs):
    path.write_bytes(b"".join(frame_record(one.SerializeToString()) for one in logs))


def texts(found):
    return [request.inputs["text"].string_val[0].decode() for request in found]


def test_recorded_requests_are_read_and_others_left_out(tmp_path):
    other = prediction_log_pb2.PredictionLog()
    other.classify_log.request.model_spec.name = "m"
    write_records(tmp_path / "log", log("a"), other, log("b"))
    assert texts(read_requests(tmp_path / "log")) == ["a", "b"]


def test_of_many_requests_a_sample_is_taken_from_all_of_them_and_always_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_MAX_REQUESTS", 10)
    write_records(tmp_path / "log", *(log(str(number)) for number in range(10)))
    assert texts(read_requests(tmp_path / "log")) == [str(number) for number in range(10)]
    write_records(tmp_path / "log", *(log(str(number)) for number in range(1_000)))
    sample = [int(text) for text in texts(read_requests(tmp_path / "log"))]
    assert len(set(sample)) == 10
    assert 300 < sum(sample) / 10 < 700
    assert [int(text) for text in texts(read_requests(tmp_path / "log"))] == sample


def test_each_request_is_as_likely_in_the_sample(monkeypatch):
    """The reservoir: after n requests, each is kept with the probability kept / n."""
    monkeypatch.setattr(trial, "_MAX_REQUESTS", 2)
    counts = dict.fromkeys("abcde", 0)
    seeds = itertools.count()
    real = trial.random.Random
    monkeypatch.setattr(trial.random, "Random", lambda seed: real(next(seeds)))
    monkeypatch.setattr(trial, "read_logs", lambda path: map(log, "abcde"))
    for _ in range(500):
        for text in texts(read_requests("any")):
            counts[text] += 1
    assert all(150 < count < 250 for count in counts.values()), counts


def test_nothing_recorded_is_said(tmp_path):
    with pytest.raises(RolloutError, match=rf"^The recorded requests {tmp_path}/none cannot be read: "):
        read_requests(tmp_path / "none")
    (tmp_path / "damaged").write_bytes(bytes(100))
    with pytest.raises(RolloutError, match="damaged cannot be read: "):
        read_requests(tmp_path / "damaged")
    write_records(tmp_path / "empty")
    with pytest.raises(
        RolloutError,
        match=rf"^There is no recorded Predict in {tmp_path}/empty; a canary is tried with recorded requests\.$",
    ):
        read_requests(tmp_path / "empty")


def test_the_names_of_the_sides_are_the_labels():
    assert (STABLE, CANARY) == ("stable", "canary")
