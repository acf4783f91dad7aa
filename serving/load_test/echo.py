"""A gRPC server that sends every request back: what gRPC alone costs, to hold the model server's speed against."""

import argparse
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from serving.stop_signals import call_when_told_to_stop


def main() -> None:
    """Runs the server until SIGTERM; prints its port."""
    parser = argparse.ArgumentParser(prog="python -m serving.load_test.echo", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 picks a free one")
    parser.add_argument("--grpc_max_threads", type=int, default=8, help="requests worked on at a time")
    arguments = parser.parse_args()
    server = grpc.server(ThreadPoolExecutor(arguments.grpc_max_threads))
    # Bytes in, the same bytes out: neither a message is parsed nor one made.
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": handler}),)
    )
    port = server.add_insecure_port(f"127.0.0.1:{arguments.port}")
    server.start()
    print(port, flush=True)
    told_to_stop = threading.Event()
    call_when_told_to_stop(told_to_stop.set)
    told_to_stop.wait()
    server.stop(1).wait()


if __name__ == "__main__":
    main()
