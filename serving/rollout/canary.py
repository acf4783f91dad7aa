"""A new version is tried beside the stable one with recorded requests, and is made stable or left.

``python -m serving.rollout.canary DIR MODEL VERSION --server localhost:8500``: Pusher runs that after a push
(``rollout.server``), with ``--hold`` before it, so that a server which follows the newest version does not serve what nobody
has tried.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from serving.contract.canary_result import CanaryResult
from serving.contract.layout import CANARY, STABLE, WARMUP_PATH
from serving.rollout.folder import find_entry, read_folder_config, require_on_disk
from serving.rollout.history import Entry, append_entry
from serving.rollout.operations import find_stable, promote, set_canary
from serving.rollout.server import RolloutError
from serving.rollout.trial import CanaryLimits, Found, compare, read_requests


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
    requests = read_requests(Path(recorded) if recorded else Path(entry.base_path) / str(version) / WARMUP_PATH)
    stable = find_stable(serving_dir, model, server=server, besides=version)
    found = Found([], None, None)
    try:
        if stable is not None:
            promote(
                serving_dir, model, stable, server=server, timeout_s=limits.timeout_s
            )  # of use where nothing was yet
            set_canary(serving_dir, model, version, server=server, timeout_s=limits.timeout_s)
            found = compare(requests, server, model, {"version_label": STABLE}, {"version_label": CANARY}, limits)
        else:
            found = compare(requests, server, model, None, {"version": version}, limits)
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


def _withdraw(serving_dir: str | Path, model: str, server: str) -> None:
    try:
        set_canary(serving_dir, model, None, server=server)
    except RolloutError:
        # The server is gone, with the canary perhaps: the one that comes after it must not load it again.
        set_canary(serving_dir, model, None)


def main() -> int:
    """Rolls a version out from the command line; 1 if it is refused, 2 if it could not be tried."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.rollout.canary", description="Tries a version, and rolls it out."
    )
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
    print(result.to_json())
    return 0 if result.promoted else 1


if __name__ == "__main__":
    sys.exit(main())
