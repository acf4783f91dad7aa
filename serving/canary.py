"""A new version is tried beside the stable one with recorded requests, and is made stable or left.

``python -m serving.canary DIR MODEL VERSION --server localhost:8500``; Pusher runs that after a push (``rollout.server``), with
``--hold`` before it, so that a server which follows the newest version does not serve what nobody has tried.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.errors import ServingError
from serving.rollout import find_stable, promote, set_canary
from serving.rollout_folder import CANARY, STABLE, find_entry, read_folder_config, require_on_disk
from serving.rollout_history import Entry, append_entry
from serving.rollout_server import RolloutError
from serving.stubs import prediction_log_pb2, prediction_service_pb2_grpc, types_pb2
from serving.tfrecord import read_records
from serving.warmup import WARMUP_FILE

_MAX_REASONS = 3


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

    # Of latencies below this, in seconds, a ratio says more about the machine than about the model.
    negligible_s: float = 0.005


@dataclass(frozen=True)
class CanaryResult:
    """What became of a canary.

    Attributes:
      model: The model.
      version: The version that was tried.
      stable: The version that is stable now; None if there is none.
      promoted: Whether that is the version that was tried.
      reasons: Why not.
      requests: Recorded requests that it was sent.
      agreement: Share of those that both answered in strings, and the same; None if there were none.
      slowdown: Its median latency divided by the stable version's; None if there was none.
    """

    model: str
    version: int
    stable: int | None
    promoted: bool
    reasons: tuple[str, ...]
    requests: int
    agreement: float | None = None
    slowdown: float | None = None


def hold(serving_dir: str | Path, model: str, server: str) -> int | None:
    """Has a server stay with the version that it serves, whatever is pushed.

    Returns:
      That version; None if the model is new.

    Raises:
      RolloutError: the server does not answer.
    """
    stable = find_stable(serving_dir, model, server=server)
    if stable is not None:
        promote(serving_dir, model, stable, server=server)
    return stable


def roll_out(
    serving_dir: str | Path,
    model: str,
    version: int,
    server: str,
    *,
    recorded: str | Path | None = None,
    limits: CanaryLimits | None = None,
) -> CanaryResult:
    """Serves a version under the label ``canary``, tries it, and makes it stable; or serves it no more.

    Args:
      serving_dir: Folder with ``<model>/<version>/saved_model.pb``.
      model: The model.
      version: The version.
      server: ``HOST:PORT`` of a server of that folder.
      recorded: TFRecord file of ``PredictionLog``, as TensorFlow Serving logs requests; the version's warm-up requests by
        default.
      limits: What it must keep to.

    Returns:
      What became of it. Why a version was refused is in the history too.

    Raises:
      RolloutError: there is no such version, nothing is recorded, or the server does not answer.
    """
    limits = limits or CanaryLimits()
    folder = Path(serving_dir)
    entry = find_entry(read_folder_config(folder), model)
    require_on_disk(entry, version)
    requests = _read_requests(Path(recorded) if recorded else Path(entry.base_path) / str(version) / WARMUP_FILE)
    stable = find_stable(serving_dir, model, server=server, besides=version)
    found = _Found([], None, None)
    try:
        if stable is not None:
            promote(
                serving_dir, model, stable, server=server, timeout_s=limits.timeout_s
            )  # of use where nothing was yet
            set_canary(serving_dir, model, version, server=server, timeout_s=limits.timeout_s)
            found = _try(requests, server, model, {"version_label": STABLE}, {"version_label": CANARY}, limits)
        else:
            found = _try(requests, server, model, None, {"version": version}, limits)
    except RolloutError as error:
        found.reasons.append(str(error))
    if not found.reasons:
        promote(serving_dir, model, version, server=server, timeout_s=limits.timeout_s)
    else:
        if stable is not None:
            _withdraw(serving_dir, model, server)
        append_entry(folder, Entry(time.time(), model, "refuse", version, stable, "; ".join(found.reasons)))
    return CanaryResult(
        *(model, version, stable if found.reasons else version, not found.reasons, tuple(found.reasons)),
        *(len(requests), found.agreement, found.slowdown),
    )


@dataclass(frozen=True)
class _Found:
    reasons: list[str]
    agreement: float | None
    slowdown: float | None


def _try(
    requests: Sequence[Any],
    server: str,
    model: str,
    stable: dict[str, Any] | None,
    canary: dict[str, Any],
    limits: CanaryLimits,
) -> _Found:
    """Sends requests to both versions by turns; without a stable one, to the canary alone."""
    reasons: list[str] = []
    same: list[bool] = []
    seconds: dict[str, list[float]] = {STABLE: [], CANARY: []}
    with grpc.insecure_channel(server) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
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
    return _Found(reasons, agreement, slowdown)


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


def _read_requests(path: Path) -> list[Any]:
    try:
        logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in read_records(path)]
    except (OSError, ServingError, DecodeError) as error:
        raise RolloutError(f"The recorded requests {path} cannot be read: {error}") from error
    requests = [log.predict_log.request for log in logs if log.WhichOneof("log_type") == "predict_log"]
    if not requests:
        raise RolloutError(f"There is no recorded Predict in {path}; a canary is tried with recorded requests.")
    return requests


def _withdraw(serving_dir: str | Path, model: str, server: str) -> None:
    try:
        set_canary(serving_dir, model, None, server=server)
    except RolloutError:
        # The server is gone, with the canary perhaps: the one that comes after it must not load it again.
        set_canary(serving_dir, model, None)


def main() -> int:
    """Rolls a version out from the command line; 1 if it is refused, 2 if it could not be tried."""
    parser = argparse.ArgumentParser(prog="python -m serving.canary", description="Tries a version, and rolls it out.")
    parser.add_argument("serving_dir", metavar="DIR", help="the folder with the models")
    parser.add_argument("model", metavar="MODEL", help="name of the model")
    parser.add_argument("version", metavar="VERSION", type=int, nargs="?", help="the version")
    parser.add_argument("--server", required=True, metavar="HOST:PORT", help="a server of that folder")
    parser.add_argument("--hold", action="store_true", help="only have the server stay with the version that it serves")
    parser.add_argument("--recorded", metavar="FILE", help="TFRecord of PredictionLog; default: the warm-up requests")
    parser.add_argument("--max_slowdown", type=float, default=CanaryLimits.max_slowdown)
    parser.add_argument("--min_agreement", type=float, default=CanaryLimits.min_agreement)
    arguments = parser.parse_intermixed_args()
    if arguments.hold == (arguments.version is not None):
        parser.error("give a VERSION, or --hold")
    try:
        if arguments.hold:
            print(json.dumps({"stable": hold(arguments.serving_dir, arguments.model, arguments.server)}))
            return 0
        result = roll_out(
            *(arguments.serving_dir, arguments.model, arguments.version, arguments.server),
            recorded=arguments.recorded,
            limits=CanaryLimits(max_slowdown=arguments.max_slowdown, min_agreement=arguments.min_agreement),
        )
    except RolloutError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(result)))
    return 0 if result.promoted else 1


if __name__ == "__main__":
    sys.exit(main())
