"""What the server counts, as Prometheus reads it: names and buckets are TensorFlow Serving's."""

import bisect
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from serving.contract.errors import Code, ServingError
from serving.server.config_messages import read_message

DEFAULT_PATH = "/monitoring/prometheus/metrics"

_REQUESTS = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
# Microseconds: 10 * 1.8^n, to 20 minutes.
_BOUNDS = tuple(10 * 1.8**power for power in range(33))

# Names of models that a client made up must not grow the table without end.
_MAX_MODELS = 1000


def prometheus_path(config_file: str) -> str:
    """Reads ``--monitoring_config_file``; returns where the metrics are, empty if they are not enabled.

    Raises:
      ServingError: the file cannot be read.
    """
    config = read_message("MonitoringConfig", config_file, "monitoring_config_file").prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else ""


class Metrics:
    """Counters of requests and histograms of their latency. Safe from many threads at a time."""

    def __init__(self) -> None:
        """Begins at zero."""
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = {}
        self._latency: dict[tuple[str, str, str], list[float]] = {}  # counts per bucket, then the sum

    @contextmanager
    def measure(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Notes how what is done in its context ends, and how long it takes.

        Args:
          model: The model's name.
          api: For example ``Predict``.
          entrypoint: ``GRPC`` or ``REST``.
        """
        started = time.perf_counter()
        try:
            yield
        except ServingError as error:
            self._note(model, error.code)
            raise
        self._note(model, Code.OK, (model, api, entrypoint), (time.perf_counter() - started) * 1e6)

    def _note(
        self, model: str, code: Code, series: tuple[str, str, str] | None = None, microseconds: float = 0.0
    ) -> None:
        with self._lock:
            key = (model, code.name)
            if key in self._requests or len(self._requests) < _MAX_MODELS:
                self._requests[key] = self._requests.get(key, 0) + 1
            if series is not None:
                histogram = self._latency.setdefault(series, [0.0] * (len(_BOUNDS) + 2))
                histogram[bisect.bisect_right(_BOUNDS, microseconds)] += 1
                histogram[-1] += microseconds

    def page(self) -> str:
        """Returns all of it in Prometheus' text format."""
        with self._lock:
            requests = dict(self._requests)
            latency = {series: list(histogram) for series, histogram in self._latency.items()}
        lines = [f"# TYPE {_REQUESTS} counter"]
        for (model, status), count in sorted(requests.items()):
            lines.append(f"{_REQUESTS}{{{_labels(model_name=model, status=status)}}} {count}")
        lines.append(f"# TYPE {_LATENCY} histogram")
        for (model, api, entrypoint), histogram in sorted(latency.items()):
            labels = _labels(model_name=model, API=api, entrypoint=entrypoint)
            total = 0
            for bound, in_bucket in zip((*map("{:g}".format, _BOUNDS), "+Inf"), histogram[:-1], strict=True):
                total += int(in_bucket)
                lines.append(f'{_LATENCY}_bucket{{{labels},le="{bound}"}} {total}')
            lines.append(f"{_LATENCY}_sum{{{labels}}} {histogram[-1]:g}")
            lines.append(f"{_LATENCY}_count{{{labels}}} {total}")
        return "\n".join(lines) + "\n"


def _labels(**labels: Any) -> str:
    escape = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
    return ",".join(f'{name}="{str(value).translate(escape)}"' for name, value in labels.items())
