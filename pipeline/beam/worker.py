"""A Beam worker, the process that runs a pipeline's Python functions, for any runner.

Beam's own, but for two things. It takes the arguments of Beam's containers, so that a runner in Java can have it started. And
the components are imported before any work comes: Flink has a worker begin with many stages at a time, a thread each, which
would import TensorFlow and TFX by unpickling, in any order, and wait for each other for ever.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from pipeline.local.imports import importing

with importing():
    import grpc
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
    from apache_beam.runners.worker import sdk_worker_main
    from google.protobuf import json_format

    import components.example_gen.executor
    import components.transform.executor  # noqa: F401

_TIMEOUT_SECONDS = 60


def main(argv: Sequence[str]) -> None:
    """Runs a worker until its runner ends it.

    Args:
      argv: The arguments of Beam's container contract; none where the environment has it all, as FnApiRunner sets it.
    """
    if argv:
        os.environ |= _environment(argv)
    sdk_worker_main.main([])


def _environment(argv: Sequence[str]) -> Mapping[str, str]:
    """Returns what the container contract's arguments are in the worker's environment."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.beam.worker", allow_abbrev=False)
    for name in ("id", "control_endpoint", "logging_endpoint", "provision_endpoint", "artifact_endpoint"):
        parser.add_argument(f"--{name}", required=name != "artifact_endpoint")
    args = parser.parse_args(argv)
    with grpc.insecure_channel(args.provision_endpoint) as channel:
        info = (
            beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
            .GetProvisionInfo(
                beam_provision_api_pb2.GetProvisionInfoRequest(),
                metadata=(("worker_id", args.id),),
                timeout=_TIMEOUT_SECONDS,
            )
            .info
        )
    return {
        "WORKER_ID": args.id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
        "CONTROL_API_SERVICE_DESCRIPTOR": f'url: "{args.control_endpoint}"',
        "LOGGING_API_SERVICE_DESCRIPTOR": f'url: "{args.logging_endpoint}"',
    }


if __name__ == "__main__":
    main(sys.argv[1:])
