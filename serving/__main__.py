"""``python -m serving``: the built-in model server, until it is told to stop."""

import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from serving.contract.errors import ServingError
from serving.page import PATH as PAGE_PATH
from serving.server.flags import parse_flags
from serving.server.model_server import Address, ModelServer
from serving.server.models.tensorflow_c_api import version
from serving.stop_signals import call_when_told_to_stop

logger = logging.getLogger("serving")


def _write_ready_file(path: str, address: Address) -> None:
    """Writes where the server listens, aside and then renamed: whoever sees the file sees all of it."""
    target = Path(path)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    ports = {"host": address.host, "grpc_port": address.grpc_port, "rest_api_port": address.rest_api_port}
    ports |= {"pid": os.getpid()}
    aside.write_text(json.dumps(ports) + "\n")
    os.replace(aside, target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server until SIGTERM or SIGINT.

    Args:
      arguments: The command line after the program's name; ``sys.argv`` by default.

    Returns:
      The exit status: 0 after a graceful end, 1 if the server could not start.
    """
    started = time.monotonic()
    flags = parse_flags(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(
        level=logging.INFO if flags.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for name in ("aiohttp.server", "grpc._common"):
        # They log a stack trace for every malformed request: whoever sends those would fill the disk.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if flags.version:
        print(f"charseq model server\nTensorFlow Library: {version()}")
        return 0
    try:
        server = ModelServer(flags)
    except ServingError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return 1
    if flags.ready_file:
        Path(flags.ready_file).unlink(missing_ok=True)  # of an earlier server, which would be taken for this one
    told_to_stop = threading.Event()

    def stop() -> None:
        told_to_stop.set()
        server.abandon_start()

    call_when_told_to_stop(stop)
    try:
        address = server.start()
    except ServingError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        server.stop()
        return 1
    # What is there now lives as long as the process. Full collections that walk through it hold everybody up for 20 ms.
    gc.collect()
    gc.freeze()
    if not told_to_stop.is_set():
        places = [f"gRPC at {address.authority(address.grpc_port)}"] if address.grpc_port else []
        places += [f"gRPC at unix:{flags.grpc_socket_path}"] if flags.grpc_socket_path else []
        if address.rest_api_port:
            authority = address.authority(address.rest_api_port)
            places += [f"REST at {authority}", *([f"page at http://{authority}{PAGE_PATH}"] if flags.page else [])]
        print(f"Serving {', '.join(places)}, ready in {time.monotonic() - started:.1f} s", flush=True)
        if flags.ready_file:  # last: who waits for it may read the line above
            _write_ready_file(flags.ready_file, address)
    told_to_stop.wait()
    if not server.stop():
        logger.warning("Requests were still running %g s after the signal.", flags.shutdown_grace_seconds)
    return 0


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    # A plain exit would wait for threads that still compute, and for those of gRPC and TensorFlow, which may not end.
    os._exit(status)
