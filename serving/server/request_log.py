"""Request logging, as ``ModelConfig.logging_config`` asks for it: a sample of the answered requests, with their answers.

TensorFlow Serving has the configuration and the messages, and leaves it to whoever builds it to register collectors; the
published program has none. Here there is one, of type ``tfrecord``: TFRecord files of ``PredictionLog``.

A request never waits for its log: records go to a thread, and are dropped, and counted, where it cannot keep up.
"""

import logging
import os
import queue
import random
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from charseq_client.messages import prediction_log_pb2
from serving.contract.errors import Code, ServingError, invalid_argument
from serving.contract.tfrecord import frame_record
from serving.server.monitoring import Metrics

logger = logging.getLogger(__name__)

COLLECTOR = "tfrecord"

# A file that has become larger is followed by another, so that old ones can be moved away.
_MAX_FILE_BYTES = 256 << 20
# Records that wait for the disk.
_MAX_WAITING = 10_000
_MAX_WAITING_BYTES = 64 << 20
# The same complaint is made once in so many seconds.
_COMPLAIN_EVERY_S = 60.0
_CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class _Logged:
    """A request and its answer, which nobody changes any more; the answer of Predict is serialized."""

    kind: str
    request: Any
    response: Any
    model: str
    version: int
    signature: str
    seconds: float
    size: int


class RequestLogs:
    """The request logs of all models. Safe from many threads at a time."""

    def __init__(self, tags: Iterable[str] = (), metrics: Metrics | None = None) -> None:
        """Begins with none.

        Args:
          tags: The tags that SavedModels are loaded by, which every record has.
          metrics: Where records are counted; None to count none.
        """
        self._tags, self._metrics = tuple(tags), metrics
        self._logs: Mapping[str, _RequestLog] = {}

    def prepare(self, entries: Iterable[Any]) -> "dict[str, _RequestLog]":
        """Returns the logs that a configuration asks for: those that are open already where their configuration is the same.

        Args:
          entries: The ``ModelConfig`` of each model.

        Raises:
          ServingError: a ``logging_config`` cannot be followed.
        """
        wanted = {}
        for entry in entries:
            if not entry.HasField("logging_config"):
                continue
            open_log = self._logs.get(entry.name)
            if open_log is not None and open_log.config == entry.logging_config:
                wanted[entry.name] = open_log
            else:
                _check(entry.name, entry.logging_config)
                wanted[entry.name] = _RequestLog(entry.logging_config, self._tags, self._metrics)
        return wanted

    def take(self, logs: "dict[str, _RequestLog]") -> None:
        """Logs from now on as :meth:`prepare` has found; the others are written to the end and closed."""
        before, self._logs = self._logs, logs
        for name, log in before.items():
            if logs.get(name) is not log:
                log.close()

    def log(self, kind: str, request: Any, response: Any, model: str, version: int, signature: str) -> None:
        """Logs an answered request, if its model is logged and the request is drawn.

        Args:
          kind: The field of ``PredictionLog``, such as ``predict_log``.
          request: The request.
          response: The response, or what it serializes to.
          model: The model that answered.
          version: Its version.
          signature: The signature that ran.
        """
        log = self._logs.get(model)
        if log is not None and log.is_drawn():
            size = request.ByteSize() + (len(response) if isinstance(response, bytes) else response.ByteSize())
            log.add(_Logged(kind, request, response, model, version, signature, time.time(), size))

    def close(self) -> None:
        """Writes what waits, and closes the files."""
        self.take({})


def _check(model: str, config: Any) -> None:
    """Checks a ``logging_config``.

    Raises:
      ServingError: it cannot be followed; the code of an unknown collector is TensorFlow Serving's.
    """
    collector, rate = config.log_collector_config, config.sampling_config.sampling_rate
    if collector.type != COLLECTOR:
        raise ServingError(
            Code.NOT_FOUND,
            f"Cannot find LogCollector::Factory for type: {collector.type}. Model {model}: the type is {COLLECTOR!r} here.",
        )
    if config.HasField("custom_logging_config"):
        raise invalid_argument(f"Model {model}: custom_logging_config is not supported; leave it out.")
    if not 0 <= rate <= 1:
        raise invalid_argument(f"Model {model}: sampling_rate is {rate}; give 0 to 1.")
    prefix = Path(collector.filename_prefix)
    if not prefix.is_absolute() or not prefix.name:
        raise invalid_argument(
            f"Model {model}: filename_prefix is {collector.filename_prefix!r}; give an absolute path, such as "
            f"/var/log/models/{model}."
        )
    if not os.access(prefix.parent, os.W_OK | os.X_OK) or not prefix.parent.is_dir():
        raise invalid_argument(
            f"Model {model}: no file can be written into {prefix.parent}, the folder of filename_prefix."
        )


class _RequestLog:
    """The log of one model, with a thread that writes it.

    Attributes:
      config: The ``LoggingConfig``.
    """

    def __init__(self, config: Any, tags: tuple[str, ...], metrics: Metrics | None) -> None:
        self.config = config
        self._tags, self._metrics = tags, metrics
        self._rate = config.sampling_config.sampling_rate
        self._waiting: queue.Queue[_Logged | None] = queue.Queue(_MAX_WAITING)
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._files = _Files(config.log_collector_config.filename_prefix)
        self._complained = -_COMPLAIN_EVERY_S

    def is_drawn(self) -> bool:
        """Draws: each request with the probability of the sampling rate."""
        return random.random() < float(self._rate)  # noqa: S311 - no secret

    def add(self, logged: _Logged) -> None:
        """Has a record written, or drops it where too many wait."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
                self._thread.start()
            if self._waiting_bytes + logged.size <= _MAX_WAITING_BYTES:
                try:
                    self._waiting.put_nowait(logged)
                except queue.Full:
                    pass
                else:
                    self._waiting_bytes += logged.size
                    return
        self._note(
            logged.model, Code.RESOURCE_EXHAUSTED, "requests arrive faster than they can be logged; some are not logged"
        )

    def close(self) -> None:
        """Writes what waits, and closes the file; takes no more."""
        with self._lock:
            self._rate = 0.0
            thread = self._thread
        if thread is not None:
            self._waiting.put(None)
            thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while (logged := self._waiting.get()) is not None:
            with self._lock:
                self._waiting_bytes -= logged.size
            try:
                self._files.write(frame_record(self._record(logged)), flush=self._waiting.empty())
            except OSError as error:
                self._note(logged.model, Code.UNAVAILABLE, f"{error.filename or self._files.path}: {error.strerror}")
            else:
                self._note(logged.model, Code.OK)
        self._files.close()

    def _record(self, logged: _Logged) -> bytes:
        log = prediction_log_pb2.PredictionLog()
        spec = log.log_metadata.model_spec
        spec.name, spec.version.value, spec.signature_name = logged.model, logged.version, logged.signature
        log.log_metadata.sampling_config.CopyFrom(self.config.sampling_config)
        log.log_metadata.saved_model_tags.extend(self._tags)
        log.log_metadata.timestamp_secs = int(logged.seconds)
        part = getattr(log, logged.kind)
        part.request.CopyFrom(logged.request)
        if isinstance(logged.response, bytes):
            part.response.MergeFromString(logged.response)
        else:
            part.response.CopyFrom(logged.response)
        return bytes(log.SerializeToString())

    def _note(self, model: str, code: Code, complaint: str = "") -> None:
        if self._metrics is not None:
            self._metrics.logged(model, code)
        if complaint and time.monotonic() - self._complained >= _COMPLAIN_EVERY_S:
            self._complained = time.monotonic()
            logger.warning("The request log of %s: %s.", model, complaint)


class _Files:
    """The files of a log, one after the other: ``PREFIX-TIME-PROCESS-NUMBER.tfrecord``.

    Attributes:
      path: The file that is written, or was last.
    """

    def __init__(self, prefix: str) -> None:
        self.path = prefix
        self._prefix = prefix
        self._file: BinaryIO | None = None
        self._number = 0
        self._size = 0

    def write(self, record: bytes, *, flush: bool) -> None:
        """Writes a record; into a new file after a failure, because the old one may end in half of one.

        Raises:
          OSError: it cannot be written.
        """
        try:
            if self._file is None or self._size >= _MAX_FILE_BYTES:
                self.close()
                self._open()
            assert self._file is not None  # noqa: S101
            self._file.write(record)
            self._size += len(record)
            if flush:
                self._file.flush()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                logger.warning("%s: %s", self.path, error.strerror)

    def _open(self) -> None:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = f"{self._prefix}-{moment}-{os.getpid()}-{self._number:05}.tfrecord"
        # Nobody else's to read: requests are what users have written.
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._number, self._size = self._number + 1, 0
