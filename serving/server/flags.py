"""The command line of the server: the flags of ``tensorflow_model_server`` by their own names, and a few more."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

from serving.contract.processors import count_processors
from serving.server.flag_table import FLAGS, UNSUPPORTED, WITHOUT_EFFECT


@dataclass(frozen=True)
class Flags:
    """What the command line said. Attributes carry the names of the flags; see ``--help`` for what each is.

    Attributes:
      without_effect: A sentence for each flag that was given and does nothing here.
    """

    port: int = 8500
    grpc_socket_path: str = ""
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
    removal_wait_seconds: float = 10.0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    num_load_threads: int = 0
    num_unload_threads: int = 0
    max_request_rows: int = 1024
    saved_model_tags: str = "serve"
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 0
    tensorflow_session_config_file: str = ""
    tensorflow_session_parallelism: int = 0
    tensorflow_intra_op_parallelism: int = 0
    tensorflow_inter_op_parallelism: int = 0
    per_process_gpu_memory_fraction: float = 0.0
    mixed_precision: str = ""
    xla_cpu_compilation_enabled: bool = False
    xla_gpu_compilation_enabled: bool = False
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
    without_effect: tuple[str, ...] = ()

    @property
    def rest_port(self) -> int:
        """The port for REST; 0 for none. TensorFlow Serving goes without REST where both ports are the same."""
        return 0 if self.rest_api_port == self.port else self.rest_api_port

    @property
    def threads(self) -> int:
        """Requests worked on at a time: four per CPU unless told otherwise, as in TensorFlow Serving."""
        return self.grpc_max_threads or 4 * count_processors()

    @property
    def rest_threads(self) -> int:
        """REST requests worked on at a time: four per CPU unless told otherwise, as in TensorFlow Serving."""
        return self.rest_api_num_threads or 4 * count_processors()

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

    for name, kind, text, *aliases in FLAGS:
        add(name, kind, text, *aliases)
    for name in (*WITHOUT_EFFECT, *UNSUPPORTED):
        parser.add_argument(f"--{name}", nargs="?", const="true", help=argparse.SUPPRESS)
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
        parser.error(f"unknown argument: {unknown[0]}; --help lists the flags.")
    for name, remedy in UNSUPPORTED.items():
        if getattr(known, name) not in (None, "", "false", "0"):
            parser.error(f"--{name} is a flag of tensorflow_model_server that this server does not have: {remedy}.")
    ignored = tuple(
        f"--{name} has no effect here: {reason}."
        for name, reason in WITHOUT_EFFECT.items()
        if getattr(known, name) is not None
    )
    values = {field.name: getattr(known, field.name) for field in fields(Flags) if field.name != "without_effect"}
    flags = Flags(**values, without_effect=ignored)
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
    if flags.tensorflow_session_parallelism > 0 and (
        flags.tensorflow_intra_op_parallelism > 0 or flags.tensorflow_inter_op_parallelism > 0
    ):
        parser.error(
            "give either --tensorflow_session_parallelism or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism, not both."
        )
    for name in (
        "file_system_poll_wait_seconds",
        "removal_wait_seconds",
        "model_config_file_poll_wait_seconds",
        "max_num_load_retries",
        "max_request_rows",
        "num_load_threads",
        "num_unload_threads",
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
    if not 0 <= flags.per_process_gpu_memory_fraction <= 1:
        parser.error("--per_process_gpu_memory_fraction takes 0 to 1.")
    if any("=" not in pair for pair in flags.grpc_channel_arguments.split(",") if pair):
        parser.error("--grpc_channel_arguments takes key=value pairs separated by commas.")
