"""A model server as a process of its own, for as long as it takes to ask it something."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import grpc

from charseq_client.messages import ModelServiceStub, get_model_status_pb2
from serving.free_port import free_port

_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE

# The first attempt comes before the server listens; gRPC's own wait until the next is a second.
_CHANNEL_OPTIONS = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50)]

# Longest time for an answer about the model's state, and the time to the next question.
_TRY_SECONDS = 5.0
_PAUSE_SECONDS = 0.05

# How much of the server's log goes into an error.
_LOG_TAIL_BYTES = 4_000

# What TensorFlow's libraries note while they are loaded, in any process.
_LIBRARY_NOTE = re.compile(r"[IW]\d{4} |WARNING: All log messages before")

# Starts a program that ends when the process that started it does, even if that was killed: prctl(2)'s PR_SET_PDEATHSIG (1),
# which stays over an exec. TensorFlow Serving has no flag for it.
_END_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
_ENDS_WITH_US = (sys.executable, "-I", "-S", "-c", _END_WITH_PARENT)


class ServerError(RuntimeError):
    """The server does not start, load or answer; the message says which, and ends with its log."""

    kind = "model-server"
    meaning = "The model server does not start, load the model or answer."
    remedy = "Read the end of its log in the message. A slow machine needs a larger `infra.timeout`."


@contextlib.contextmanager
def model_server(
    command: Sequence[str], model_name: str, model_dir: str, timeout: float
) -> Iterator[tuple[grpc.Channel, str]]:
    """Runs a model server and yields a channel to it, once it has loaded the model, and its log's path.

    Args:
      command: The server's program with its first arguments; it understands --port, --model_name, --model_base_path.
      model_name: Name of the model.
      model_dir: Folder with the one version to load.
      timeout: Seconds that starting and loading may take.

    Raises:
      ServerError: The server ended, or did not load the version in time.
    """
    port = free_port()
    arguments = [
        *_ENDS_WITH_US,
        str(os.getpid()),
        *command,
        f"--port={port}",
        f"--model_name={model_name}",
        f"--model_base_path={model_dir}",
    ]
    # A candidate that fails to load once is refused at once, not tried again every minute.
    arguments.append("--max_num_load_retries=0")
    with (
        tempfile.NamedTemporaryFile(prefix="model_server_", suffix=".log") as log,
        subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process,
    ):
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}", _CHANNEL_OPTIONS) as channel:
                _wait_until_available(process, channel, model_name, timeout, log.name)
                yield channel, log.name
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def describe_failure(what: str, log_path: str) -> str:
    """Returns `what` followed by the end of the server's log."""
    with open(log_path, "rb") as log:
        log.seek(max(0, os.path.getsize(log_path) - _LOG_TAIL_BYTES))
        lines = log.read().decode(errors="replace").strip().splitlines()
    tail = "\n".join(line for line in lines if not _LIBRARY_NOTE.match(line))
    return f"{what}; the server's log ends with:\n{tail or '(nothing)'}"


def _wait_until_available(
    process: "subprocess.Popen[bytes]", channel: grpc.Channel, model_name: str, timeout: float, log_path: str
) -> None:
    stub = ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = model_name
    reason = "it did not answer"
    waited = 0.0
    while waited < timeout:
        began = time.monotonic()
        if process.poll() is not None:
            raise ServerError(describe_failure(f"the server ended with status {process.returncode}", log_path))
        try:
            versions = stub.GetModelStatus(request, timeout=_TRY_SECONDS).model_version_status
        except grpc.RpcError as error:
            reason = str(error.details())
        else:
            if any(version.state == _AVAILABLE for version in versions):
                return
            failed = [version.status.error_message for version in versions if version.status.error_code]
            if failed:
                raise ServerError(describe_failure(f"the server could not load the model: {failed[0]}", log_path))
            reason = "the model was still loading"
        time.sleep(_PAUSE_SECONDS)
        # While this process was stopped (Ctrl-Z, a machine that sleeps), nobody has waited.
        waited += min(time.monotonic() - began, _TRY_SECONDS + _PAUSE_SECONDS)
    raise ServerError(describe_failure(f"the model was not available in time: {reason}", log_path))
