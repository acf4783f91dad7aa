"""Recorded requests, sent to two versions of a model alternately, and what is found of the newer one."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from charseq_client.messages import PredictionServiceStub, types_pb2
from serving.contract.errors import ServingError
from serving.contract.layout import CANARY, STABLE
from serving.contract.request_logs import read_logs
from serving.rollout.server import RolloutError

_MAX_REASONS = 3

# Each is sent several times to both versions.
_MAX_REQUESTS = 1000


@dataclass(frozen=True)
class CanaryLimits:
    """What a canary must keep to.

    Attributes:
      max_slowdown: Its median latency is at most this many times that of the stable version.
      min_agreement: At least this share of the requests has the same strings for an answer as the stable version gives. 0, the
        default, asks nothing: a better model answers otherwise, and whether it is better is the Evaluator's to say.
      repeats: How often each request is sent to each of the two.
      timeout_s: Longest time for an answer, and for the canary to load.
    """

    max_slowdown: float = 3.0
    min_agreement: float = 0.0
    repeats: int = 5
    timeout_s: float = 60.0

    # Below this latency, in seconds, a ratio says more about the machine than about the model.
    negligible_s: float = 0.005


@dataclass(frozen=True)
class Found:
    """What a trial has found.

    Attributes:
      reasons: Why the canary is refused; empty if it is not.
      agreement: Share of the requests that both answered in strings, and the same; None if there were none.
      slowdown: The canary's median latency divided by the stable version's; None without one.
    """

    reasons: list[str]
    agreement: float | None
    slowdown: float | None


def compare(
    requests: Sequence[Any],
    server: str,
    model: str,
    stable: dict[str, Any] | None,
    canary: dict[str, Any],
    limits: CanaryLimits,
) -> Found:
    """Sends requests to both versions alternately.

    Args:
      requests: Each a ``PredictRequest``; its ``model_spec`` is replaced.
      server: ``HOST:PORT``.
      model: The model.
      stable: Which version is stable: ``version_label`` or ``version``; None if there is none.
      canary: Which is tried.
      limits: What it must keep to.
    """
    reasons: list[str] = []
    same: list[bool] = []
    seconds: dict[str, list[float]] = {STABLE: [], CANARY: []}
    with grpc.insecure_channel(server) as channel:
        predict = PredictionServiceStub(channel).Predict
        for number, request in enumerate(requests):
            sides = {CANARY: _addressed(request, model, canary)}
            if stable is not None:
                sides = {STABLE: _addressed(request, model, stable)} | sides
            answers: dict[str, Any] = {}
            for _ in range(limits.repeats):
                for side, addressed in sides.items():
                    begin = time.perf_counter()
                    answers[side] = _answer(predict, addressed, limits.timeout_s)
                    seconds[side].append(time.perf_counter() - begin)
            if isinstance(answers[CANARY], str) and not isinstance(answers.get(STABLE), str):
                reasons.append(f"recorded request {number}: {answers[CANARY]}")
            elif stable is not None and not any(isinstance(answer, str) for answer in answers.values()):
                strings = {side: _strings(answer) for side, answer in answers.items()}
                if strings[STABLE]:
                    same.append(strings[STABLE] == strings[CANARY])
    if len(reasons) > _MAX_REASONS:
        reasons[_MAX_REASONS:] = [f"and {len(reasons) - _MAX_REASONS} more of {len(requests)} recorded requests"]
    agreement = sum(same) / len(same) if same else None
    if agreement is not None and agreement < limits.min_agreement:
        reasons.append(
            f"{agreement:.1%} of {len(same)} answers are those of the stable version; "
            f"min_agreement is {limits.min_agreement:.1%}"
        )
    slowdown = None
    if stable is not None:
        medians = {side: statistics.median(found) for side, found in seconds.items()}
        slowdown = medians[CANARY] / medians[STABLE]
        if slowdown > limits.max_slowdown and medians[CANARY] > limits.negligible_s:
            reasons.append(
                f"its median latency is {medians[CANARY] * 1000:.1f} ms, {slowdown:.1f} times that of the stable version; "
                f"max_slowdown is {limits.max_slowdown:g}"
            )
    return Found(reasons, agreement, slowdown)


def _answer(predict: Callable[..., Any], request: Any, timeout_s: float) -> Any:
    """Returns a ``PredictResponse``, or what the request was refused with as a string."""
    try:
        return predict(request, timeout=timeout_s)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def _addressed(request: Any, model: str, version: dict[str, Any]) -> Any:
    addressed = type(request)()
    addressed.CopyFrom(request)
    addressed.model_spec.name = model
    addressed.model_spec.ClearField("version_choice")
    if "version" in version:
        addressed.model_spec.version.value = version["version"]
    else:
        addressed.model_spec.version_label = version["version_label"]
    return addressed


def _strings(response: Any) -> dict[str, list[bytes]]:
    return {
        name: list(tensor.string_val)
        for name, tensor in response.outputs.items()
        if tensor.dtype == types_pb2.DT_STRING
    }


def read_requests(recorded: Path) -> list[Any]:
    """Reads the ``PredictRequest`` of each ``PredictionLog`` in TFRecord files.

    Args:
      recorded: A file, a pattern of files, or the ``filename_prefix`` of a log. A file that a server still writes to is read
        as far as it is whole.

    Returns:
      Up to 1,000 requests; of more, a sample that is the same each time.

    Raises:
      RolloutError: it cannot be read, or there is none.
    """
    requests: list[Any] = []
    chance, seen = random.Random(0), 0  # noqa: S311 - no secret
    try:
        for log in read_logs(recorded):
            if log.WhichOneof("log_type") != "predict_log":
                continue
            seen += 1
            if len(requests) < _MAX_REQUESTS:
                requests.append(log.predict_log.request)
            elif (place := chance.randrange(seen)) < _MAX_REQUESTS:
                requests[place] = log.predict_log.request
    except (OSError, ServingError) as error:
        raise RolloutError(f"The recorded requests {recorded} cannot be read: {error}") from error
    if not requests:
        raise RolloutError(f"There is no recorded Predict in {recorded}; a canary is tried with recorded requests.")
    return requests
