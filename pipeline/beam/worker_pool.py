"""Starts Beam workers for a task manager beside it: `python -m pipeline.beam.worker_pool --port 50000`.

Beam has one too (`worker_pool_main`). It listens on every interface, and whoever reaches it has it run any code; this one
listens where it is told, by default on loopback. And where several task managers share one, Beam's ends the worker of one when
another is done with its own.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent import futures
from multiprocessing.process import BaseProcess
from types import FrameType

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from pipeline.beam.forked_worker import end_worker, prepare_to_fork, start_worker


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
    """Starts workers, a process each; a worker ends when its task manager closes the connection, or is gone."""

    def __init__(self) -> None:
        # The first fork waits for the imports; no job needs to.
        first = prepare_to_fork().Process(target=_do_nothing)
        first.start()
        first.join()
        self._processes: list[BaseProcess] = []
        self._lock = threading.Lock()

    def StartWorker(  # noqa: N802 (Beam's name)
        self, request: beam_fn_api_pb2.StartWorkerRequest, context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Starts a worker, which asks the runner what to do."""
        endpoints = {
            "control": request.control_endpoint.url,
            "logging": request.logging_endpoint.url,
            "provision": request.provision_endpoint.url,
        }
        arguments = [f"--id={request.worker_id}", *(f"--{name}_endpoint={url}" for name, url in endpoints.items())]
        with self._lock:
            self._processes = [process for process in self._processes if process.is_alive()]
            self._processes.append(start_worker(arguments, {}))
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(  # noqa: N802 (Beam's name)
        self, request: beam_fn_api_pb2.StopWorkerRequest, context: grpc.ServicerContext
    ) -> beam_fn_api_pb2.StopWorkerResponse:
        """Does nothing: the id names a worker of one task manager, and others on this machine have workers of the same id."""
        return beam_fn_api_pb2.StopWorkerResponse()

    def close(self) -> None:
        """Ends all workers."""
        with self._lock:
            processes, self._processes = self._processes, []
        for process in processes:
            process.terminate()
        for process in processes:
            end_worker(process)


def _do_nothing() -> None:
    pass


def main(argv: Sequence[str]) -> None:
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.beam.worker_pool", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; who reaches it can run any code")
    parser.add_argument("--port", type=int, default=50000, help="port to listen on; 0 takes a free one")
    args = parser.parse_args(argv)
    pool = WorkerPool()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    port = server.add_insecure_port(f"{args.host}:{args.port}")
    server.start()
    print(f"Starting workers at {args.host}:{port}", flush=True)

    def stop(signum: int, frame: FrameType | None) -> None:
        server.stop(grace=None)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.wait_for_termination()
    pool.close()


if __name__ == "__main__":
    main(sys.argv[1:])
