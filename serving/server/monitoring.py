"""Metrics as Prometheus reads them: names, labels and buckets are TensorFlow Serving's.

Not by ``prometheus_client``: it adds ``_total`` to the names of counters and writes other texts into ``le``, so that queries
and dashboards for TensorFlow Serving would find nothing.
"""

import bisect
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from serving.contract.errors import Code, ServingError
from serving.server.config_messages import read_message

DEFAULT_PATH = "/monitoring/prometheus/metrics"

# Microseconds: 10 * 1.8^n, to 20 minutes.
_LATENCY_BOUNDS = tuple(10 * 1.8**power for power in range(33))
_EXAMPLE_BOUNDS = tuple(float(2**power) for power in range(15))

# Which of TensorFlow's runtimes ran: the one that has sessions.
_RUNTIME = "TF1"

# Names that clients made up must not grow a table without end.
_MAX_SERIES = 1000

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def prometheus_path(config_file: str) -> str:
    """Reads ``--monitoring_config_file``; returns where the metrics are, empty if they are not enabled.

    Raises:
      ServingError: the file cannot be read.
    """
    config = read_message("MonitoringConfig", config_file, "monitoring_config_file").prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else ""


class _Counter:
    """A number for each combination of labels, which only grows."""

    def __init__(self, name: str, *labels: str) -> None:
        self._name, self._labels = name, labels
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, values: tuple[str, ...], amount: int = 1) -> None:
        """Adds to the number of some label values."""
        if values in self._counts or len(self._counts) < _MAX_SERIES:
            self._counts[values] = self._counts.get(values, 0) + amount

    def lines(self) -> Iterator[str]:
        """Gives the lines of the page."""
        if self._counts:
            yield f"# TYPE {self._name} counter"
        for values, count in sorted(self._counts.items()):
            yield f"{self._name}{{{_pairs(self._labels, values)}}} {count}"


class _Histogram:
    """How often values fell into each bucket, for each combination of labels."""

    def __init__(self, name: str, bounds: Sequence[float], *labels: str) -> None:
        self._name, self._bounds, self._labels = name, bounds, labels
        self._counts: dict[tuple[str, ...], list[float]] = {}  # counts by bucket, then the sum

    def add(self, values: tuple[str, ...], value: float) -> None:
        """Adds a value under some label values."""
        counts = self._counts.get(values)
        if counts is None:
            if len(self._counts) >= _MAX_SERIES:
                return
            counts = self._counts[values] = [0.0] * (len(self._bounds) + 2)
        counts[bisect.bisect_right(self._bounds, value)] += 1
        counts[-1] += value

    def lines(self) -> Iterator[str]:
        """Gives the lines of the page."""
        if self._counts:
            yield f"# TYPE {self._name} histogram"
        for values, counts in sorted(self._counts.items()):
            pairs, total = _pairs(self._labels, values), 0
            for bound, in_bucket in zip((*map("{:g}".format, self._bounds), "+Inf"), counts[:-1], strict=True):
                total += int(in_bucket)
                yield f'{self._name}_bucket{{{pairs},le="{bound}"}} {total}'
            yield f"{self._name}_sum{{{pairs}}} {counts[-1]:g}"
            yield f"{self._name}_count{{{pairs}}} {total}"


class Metrics:
    """What the server counts. Safe from many threads at a time."""

    def __init__(self) -> None:
        """Begins at zero."""
        self._lock = threading.Lock()
        serving, loader = ":tensorflow:serving:", ":tensorflow:cc:saved_model:"
        self._loads = _Counter(f"{loader}load_attempt_count", "model_path", "status")
        self._load_latency = _Counter(f"{loader}load_latency", "model_path")
        self._examples = _Histogram(f"{serving}request_example_counts", _EXAMPLE_BOUNDS, "model")
        self._example_total = _Counter(f"{serving}request_example_count_total", "model")
        self._requests = _Counter(f"{serving}request_count", "model_name", "status")
        self._latency = _Histogram(f"{serving}request_latency", _LATENCY_BOUNDS, "model_name", "API", "entrypoint")
        self._logs = _Counter(f"{serving}request_log_count", "model_name", "status_code")
        self._runtime = _Histogram(f"{serving}runtime_latency", _LATENCY_BOUNDS, "model_name", "API", "runtime")

    @contextmanager
    def measure(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Notes how what is done in its context ends, and how long it takes.

        Args:
          model: The model's name.
          api: As TensorFlow Serving writes it: ``Predict`` of gRPC, ``predict`` of REST.
          entrypoint: ``GRPC`` or ``REST``.
        """
        started = time.perf_counter()
        try:
            yield
        except ServingError as error:
            self.count(model, error.code)
            raise
        microseconds = (time.perf_counter() - started) * 1e6
        with self._lock:
            self._requests.add((model, Code.OK.name))
            self._latency.add((model, api, entrypoint), microseconds)

    def count(self, model: str, code: Code) -> None:
        """Counts a request that was not answered."""
        with self._lock:
            self._requests.add((model, code.name))

    def ran(self, model: str, api: str, seconds: float) -> None:
        """Notes how long a session ran for a request."""
        with self._lock:
            self._runtime.add((model, api, _RUNTIME), seconds * 1e6)

    def asked(self, model: str, examples: int) -> None:
        """Notes how many examples a request had."""
        with self._lock:
            self._examples.add((model,), examples)
            self._example_total.add((model,), examples)

    def logged(self, model: str, code: Code) -> None:
        """Notes what became of a request that was to be logged."""
        with self._lock:
            self._logs.add((model, code.name))

    def loaded(self, path: str, seconds: float, *, success: bool) -> None:
        """Notes an attempt to load a version."""
        with self._lock:
            self._loads.add((path, "success" if success else "fail"))
            self._load_latency.add((path,), int(seconds * 1e6))

    def page(self) -> str:
        """Returns all of it in Prometheus' text format."""
        series = (self._loads, self._load_latency, self._requests, self._example_total, self._logs)
        histograms = (self._examples, self._latency, self._runtime)
        with self._lock:
            return "\n".join(line for metric in (*series, *histograms) for line in metric.lines()) + "\n"


def _pairs(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))
