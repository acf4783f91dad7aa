"""The command line of the server: the flags of ``tensorflow_model_server`` by their own names, and a few more."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

# Flags of tensorflow_model_server that this server does not have (yet). They are refused by name: a flag that is
# accepted and does nothing is worse than an error.
UNSUPPORTED_FLAGS = frozenset(
    {
        "grpc_socket_path",
        "num_unload_threads",
        "flush_filesystem_caches",
        "tensorflow_session_config_file",
        "use_alts_credentials",
        "platform_config_file",
        "per_process_gpu_memory_fraction",
        "remove_unused_fields_from_bundle_metagraph",
        "prefer_tflite_model",
        "num_tflite_pools",
        "num_tflite_interpreters_per_pool",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
        "enable_profiler",
        "thread_pool_factory_config_file",
        "mixed_precision",
        "skip_initialize_tpu",
    }
)


@dataclass(frozen=True)
class Flags:
    """What the command line said. Attributes carry the names of the flags; see ``--help`` for what each is."""

    port: int = 8500
    rest_api_port: int = 0
    rest_api_num_threads: int = 0
    rest_api_timeout_in_ms: int = 30_000
    rest_api_enable_cors_support: bool = False
    rest_api_max_body_mib: int = 64
    rest_api_idle_timeout_seconds: float = 620.0
    page: bool = False
    bind_address: str = "127.0.0.1"
    ready_file: str = ""
    serving_dir: str = ""
    model_name: str = "default"
    model_base_path: str = ""
    model_config_file: str = ""
    model_config_file_poll_wait_seconds: int = 0
    allow_version_labels_for_unavailable_models: bool = False
    file_system_poll_wait_seconds: float = 1.0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    num_load_threads: int = 2
    saved_model_tags: str = "serve"
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 0
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    grpc_max_threads: int = 0
    grpc_channel_arguments: str = ""
    enable_grpc_healthcheck_service: bool = False
    enable_serialization_as_tensor_content: bool = False
    enable_signature_method_name_check: bool = False
    ssl_config_file: str = ""
    monitoring_config_file: str = ""
    enable_batching: bool = False
    batching_parameters_file: str = ""
    enable_per_model_batching_parameters: bool = False
    shutdown_grace_seconds: float = 30.0
    verbose: bool = False
    version: bool = False

    @property
    def threads(self) -> int:
        """Requests worked on at a time: four per CPU unless told otherwise, as in TensorFlow Serving."""
        return self.grpc_max_threads or 4 * len(os.sched_getaffinity(0))

    @property
    def rest_threads(self) -> int:
        """REST requests worked on at a time: four per CPU unless told otherwise, as in TensorFlow Serving."""
        return self.rest_api_num_threads or 4 * len(os.sched_getaffinity(0))

    @property
    def channel_arguments(self) -> list[tuple[str, int | str]]:
        """The pairs of ``--grpc_channel_arguments``; a value that is a whole number goes as one."""
        pairs = (pair.partition("=") for pair in self.grpc_channel_arguments.split(",") if pair)
        return [(key, int(value) if value.lstrip("-").isdigit() else value) for key, _, value in pairs]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1")


def _build_parser() -> _Parser:
    parser = _Parser(
        prog="python -m serving",
        allow_abbrev=False,
        description="Serves SavedModels over the API of TensorFlow Serving.",
        epilog="example: python -m serving --serving_dir=runs/serving --port=8500",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = Flags()

    def add(name: str, kind: type, text: str, *aliases: str) -> None:
        names = [f"--{name}", *aliases]
        default = getattr(defaults, name)
        if kind is bool:
            parser.add_argument(*names, nargs="?", const=True, type=_boolean, default=default, help=text)
        else:
            parser.add_argument(*names, type=kind, default=default, help=text, metavar=kind.__name__.upper())

    add("port", int, "TCP port for gRPC; 0 picks a free one")
    add("rest_api_port", int, "TCP port for REST; 0 for no REST")
    add("rest_api_num_threads", int, "REST requests worked on at a time; 0 for four per CPU")
    add("rest_api_timeout_in_ms", int, "longest time for a REST request in milliseconds; 0 for no limit")
    add("rest_api_enable_cors_support", bool, "let pages of other origins use the REST API")
    add("rest_api_max_body_mib", int, "largest body of a REST request in MiB")
    add("rest_api_idle_timeout_seconds", float, "close REST connections that ask nothing for so long; 0 for never")
    add("page", bool, "serve a page to try the models on, at / of the REST port")
    add("bind_address", str, "address to listen on; 0.0.0.0 or [::] to be reached from other machines", "--host")
    add("ready_file", str, "write the ports to this file as JSON once the models are loaded")
    add("serving_dir", str, "serve every model below this folder: DIR/<model>/<version>/saved_model.pb")
    add("model_name", str, "name of the model at --model_base_path")
    add("model_base_path", str, "serve the one model in this folder: DIR/<version>/saved_model.pb")
    add("model_config_file", str, "serve what this ModelServerConfig (text format) lists")
    add("model_config_file_poll_wait_seconds", int, "seconds between two looks at that file; 0 to look once")
    add("allow_version_labels_for_unavailable_models", bool, "let unused labels name versions that are not loaded yet")
    add("file_system_poll_wait_seconds", float, "seconds between two looks for new versions; 0 to look once")
    add("max_num_load_retries", int, "further attempts at a version that does not load")
    add("load_retry_interval_micros", int, "microseconds between two attempts; changed files do not wait")
    add("num_load_threads", int, "models loaded at a time")
    add("saved_model_tags", str, "comma-separated tags of the meta graph to load")
    add("enable_model_warmup", bool, "replay assets.extra/tf_serving_warmup_requests before a version is served")
    add("num_request_iterations_for_warmup", int, "how often each of them is replayed; 0 counts as 1")
    add("tensorflow_session_parallelism", int, "threads for operations and within one; 0 for one per CPU")
    add("tensorflow_intra_op_parallelism", int, "threads within one operation; 0 for one per CPU")
    add("tensorflow_inter_op_parallelism", int, "operations run at a time; 0 for one per CPU")
    add("grpc_max_threads", int, "requests worked on at a time; 0 for four per CPU")
    add("grpc_channel_arguments", str, "comma-separated key=value pairs for the gRPC server")
    add("enable_grpc_healthcheck_service", bool, "answer grpc.health.v1")
    add("enable_serialization_as_tensor_content", bool, "answer tensors as bytes in tensor_content")
    add("enable_signature_method_name_check", bool, "Classify and Regress take only signatures exported for them")
    add("ssl_config_file", str, "TLS for gRPC: an SSLConfig (text format) with key and certificate")
    add("monitoring_config_file", str, "metrics for Prometheus on the REST port: a MonitoringConfig (text format)")
    add("enable_batching", bool, "run concurrent requests together")
    add("batching_parameters_file", str, "how: BatchingParameters (text format)")
    add("enable_per_model_batching_parameters", bool, "how, for each version: batching_params.pbtxt in its folder")
    add("shutdown_grace_seconds", float, "on SIGTERM, how long requests in progress may take to finish")
    add("verbose", bool, "log what is loaded and unloaded", "-v")
    add("version", bool, "print the versions of this server and of TensorFlow, and exit")
    return parser


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Reads a command line.

    Args:
      arguments: What follows the program's name.

    Returns:
      The flags.

    Raises:
      SystemExit: with status 2 and one line on standard error if a flag is unknown, unsupported or wrong; with status 0
        after ``--help``.
    """
    parser = _build_parser()
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].lstrip("-").partition("=")[0]
        if name in UNSUPPORTED_FLAGS:
            parser.error(f"--{name} is a flag of tensorflow_model_server that this server does not have; leave it out.")
        parser.error(f"unknown argument: {unknown[0]}; --help lists the flags.")
    flags = Flags(**{field.name: getattr(known, field.name) for field in fields(Flags)})
    _check(parser, flags)
    return flags


def _check(parser: _Parser, flags: Flags) -> None:
    if flags.version:
        return
    if flags.serving_dir and (flags.model_base_path or flags.model_config_file):
        parser.error("give either --serving_dir or --model_base_path or --model_config_file.")
    if not (flags.serving_dir or flags.model_base_path or flags.model_config_file):
        parser.error("give either --serving_dir or --model_base_path or --model_config_file.")
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(flags, name) <= 65535:
            parser.error(f"--{name}={getattr(flags, name)} is not a port; give 0 to 65535.")
    if flags.rest_api_port and flags.rest_api_port == flags.port:
        parser.error(f"--port and --rest_api_port are both {flags.port}; give two ports.")
    if flags.tensorflow_session_parallelism > 0 and (
        flags.tensorflow_intra_op_parallelism > 0 or flags.tensorflow_inter_op_parallelism > 0
    ):
        parser.error(
            "give either --tensorflow_session_parallelism or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism, not both."
        )
    for name in (
        "file_system_poll_wait_seconds",
        "model_config_file_poll_wait_seconds",
        "max_num_load_retries",
        "grpc_max_threads",
        "rest_api_num_threads",
        "rest_api_timeout_in_ms",
        "rest_api_idle_timeout_seconds",
        "shutdown_grace_seconds",
    ):
        if getattr(flags, name) < 0:
            parser.error(f"--{name} cannot be negative.")
    for name in ("batching_parameters_file", "enable_per_model_batching_parameters"):
        if getattr(flags, name) and not flags.enable_batching:
            parser.error(f"--{name} is of no use without --enable_batching.")
    if flags.monitoring_config_file and not flags.rest_api_port:
        parser.error("--monitoring_config_file is of no use without --rest_api_port, where the metrics are read.")
    if flags.page and not flags.rest_api_port:
        parser.error("--page is of no use without --rest_api_port, where the page is.")
    if flags.rest_api_max_body_mib < 1:
        parser.error("--rest_api_max_body_mib must be at least 1.")
    if flags.num_load_threads < 1:
        parser.error("--num_load_threads must be at least 1.")
    if any("=" not in pair for pair in flags.grpc_channel_arguments.split(",") if pair):
        parser.error("--grpc_channel_arguments takes key=value pairs separated by commas.")
