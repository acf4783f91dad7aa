"""Beam's local runner with worker processes that need not import anything first.

Beam's own, with `--direct_running_mode=multi_processing`, starts Python again for every worker of every pipeline, and each
imports TensorFlow and TFX, which for a million examples is half of the time. It does not quote Python's path either, and where
that has a space in it waits for ever for workers that could not start.
"""

from typing import Any

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
from apache_beam.transforms.environments import Environment
from google.protobuf import json_format

from pipeline.beam.forked_worker import end_worker, prepare_to_fork, start_worker

_URN = "charseq:env:forked_worker:v1"


class WorkerProcessRunner(FnApiRunner):
    """FnApiRunner with workers that are processes of this machine."""

    def __init__(self) -> None:
        prepare_to_fork()
        super().__init__(default_environment=ForkedWorkerEnvironment())


@Environment.register_urn(_URN, None)
class ForkedWorkerEnvironment(Environment):  # type: ignore[misc]
    """Says that a pipeline's functions run in forked workers."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, None]:
        """Returns the name by which the runner finds its handler."""
        return _URN, None

    @staticmethod
    def from_runner_api_parameter(
        payload: Any, capabilities: Any, artifacts: Any, resource_hints: Any, context: Any
    ) -> "ForkedWorkerEnvironment":
        """Makes the environment again."""
        return ForkedWorkerEnvironment(capabilities, artifacts, resource_hints)


@WorkerHandler.register_environment(_URN, None)
class ForkedWorkerHandler(GrpcWorkerHandler):  # type: ignore[misc]
    """One worker, as its runner sees it."""

    def __init__(self, payload: Any, state: Any, provision_info: Any, grpc_server: Any):
        super().__init__(state, provision_info, grpc_server)

    def start_worker(self) -> None:
        """Starts the process."""
        environment = {
            "CONTROL_API_SERVICE_DESCRIPTOR": f'url: "{self.control_address}"',
            "LOGGING_API_SERVICE_DESCRIPTOR": f'url: "{self.logging_api_service_descriptor().url}"',
            "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
            "WORKER_ID": self.worker_id,
        }
        self._process = start_worker([], environment)

    def stop_worker(self) -> None:
        """Waits until the process has ended, as it does when the runner has closed the connection."""
        end_worker(self._process)
