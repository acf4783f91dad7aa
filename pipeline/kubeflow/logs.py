"""The end of a step's log, from wherever an installation keeps it."""

import collections
import contextlib
import json
from collections.abc import Iterable
from typing import Any

import kfp
import urllib3
from kfp_server_api import ApiException

from pipeline.kubeflow.client import get
from pipeline.kubeflow.progress import Step

_LINES = 20

# The names of the object stores in Kubeflow's pages.
_SOURCES = {"gs": "gcs", "s3": "s3", "minio": "minio"}


def read_log_end(client: kfp.Client, run_id: str, namespace: str, step: Step, lines: int = _LINES) -> list[str]:
    """Returns the last lines of the log of a step's last attempt; none if nothing keeps it.

    Kubeflow's pages return the artifact `executor-logs` and the logs of pods; its API server returns the logs of pods that
    are still there, or of Argo's archive.
    """
    for path, query in _places(run_id, namespace, step):
        with contextlib.suppress(ApiException, urllib3.exceptions.HTTPError):
            if found := _last_lines(get(client, path, query), lines):
                return found
    return []


def _places(run_id: str, namespace: str, step: Step) -> Iterable[tuple[str, dict[str, str]]]:
    scheme, _, rest = step.log_uri.partition("://")
    if scheme in _SOURCES:
        bucket, _, key = rest.partition("?")[0].partition("/")
        # Launchers before 2.16.1 append no number.
        for name in (f"{key}-{max(step.attempts - 1, 0)}", key):
            yield "/artifacts/get", {"source": _SOURCES[scheme], "bucket": bucket, "key": name, "namespace": namespace}
    if step.pod:
        yield "/k8s/pod/logs", {"podname": step.pod, "podnamespace": namespace, "runid": run_id}
        yield f"/apis/v1alpha1/runs/{run_id}/nodes/{step.pod}/log", {}


def _last_lines(response: Any, count: int) -> list[str]:
    """Reads an answer and keeps its end, for a log may be long."""
    if "text/html" in (response.headers.get("Content-Type") or ""):
        return []  # a page of an installation that has no such address
    last: collections.deque[str] = collections.deque(maxlen=count)
    rest = ""
    for chunk in response.stream(1 << 16):
        *whole, rest = (rest + chunk.decode(errors="replace"))[-(1 << 20) :].split("\n")
        last.extend(whole)
    last.extend([rest] if rest else [])
    if len(last) == 1 and _is_error(last[0]):
        return []
    return ["".join(c if c.isprintable() or c == "\t" else " " for c in line).rstrip() for line in last]


def _is_error(line: str) -> bool:
    """Returns whether an answer is an error of the API server, which answers 200 before it looks for the log."""
    with contextlib.suppress(ValueError):
        content = json.loads(line)
        return isinstance(content, dict) and "error_message" in content
    return False
