"""What the commands share: options, and how bad input ends."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import click

from pipeline.file_errors import describe_file_error, is_disk_full
from pipeline.places import DEFAULT_ROOT, DEFAULT_TASK, Places

Command = Callable[..., Any]

DEFAULT_SERVER = "127.0.0.1:8500"

# What the model's inputs can hold.
_INT32 = click.IntRange(-(2**31), 2**31 - 1)
_INT64 = click.IntRange(-(2**63), 2**63 - 1)


class InputError(click.ClickException):
    """Input that cannot be used: one line, exit status 2."""

    kind = "usage"
    meaning = "An argument of a command cannot be used."
    remedy = "Correct the argument that the message names; `--help` shows an example."

    exit_code = 2


@contextlib.contextmanager
def as_input_error(*kinds: type[Exception]) -> Iterator[None]:
    """Turns exceptions of some kinds into bad input, except a full disk, which ends the command with status 1."""
    try:
        yield
    except kinds as error:
        if is_disk_full(error):
            raise click.ClickException(
                (isinstance(error, OSError) and describe_file_error(error)) or str(error)
            ) from None
        raise InputError(str(error)) from None


@contextlib.contextmanager
def as_missing_model() -> Iterator[None]:
    """Turns a folder without a model into bad input."""
    from charseq_client import PredictionError
    from serving.contract.errors import Code

    try:
        yield
    except PredictionError as error:
        if error.code == Code.NOT_FOUND:
            raise InputError(error.message) from None
        raise


def json_option(command: Command) -> Command:
    """Adds --json."""
    text = "Print one JSON object, nothing else, on standard output."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def print_json(value: Any) -> None:
    """Prints what --json asks for. A number that is not finite becomes null: JSON (RFC 8259) has no NaN and no infinity."""
    click.echo(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def root_option(command: Command) -> Command:
    """Adds --root."""
    text = "Folder of artifacts, metadata and reports."
    return click.option("--root", default=DEFAULT_ROOT, show_default=True, help=text)(command)


def serving_dir_option(command: Command) -> Command:
    """Adds --serving-dir; empty is the default root's."""
    text = f"Folder with <model>/<version>.  [default: {DEFAULT_ROOT}/serving]"
    return click.option("--serving-dir", default="", help=text)(command)


def roots_serving_dir_option(command: Command) -> Command:
    """Adds --serving-dir beside --root; empty is that root's."""
    text = "Folder that the model server reads.  [default: ROOT/serving]"
    return click.option("--serving-dir", default="", help=text)(command)


def model_option(command: Command) -> Command:
    """Adds --model."""
    return click.option("--model", default=DEFAULT_TASK, show_default=True, help="Name of the model.")(command)


def rollout_server_option(command: Command) -> Command:
    """Adds --server for commands that also work on the files alone."""
    text = "A running server of that folder. Without it the next server that starts follows the change."
    return click.option("--server", metavar="HOST:PORT", help=text)(command)


def request_options(default_model: str) -> Callable[[Command], Command]:
    """Adds --server, --model, --version, --label and --timeout."""
    options = [
        click.option(
            "--server", default=DEFAULT_SERVER, show_default=True, metavar="HOST:PORT", help="The model server."
        ),
        click.option("--model", default=default_model, show_default=True, help="Name of the model."),
        click.option("--version", type=int, help="Version of the model.  [default: the newest]"),
        click.option("--label", help="Label of the version, such as stable."),
        click.option("--timeout", default=10.0, show_default=True, help="Seconds to wait for an answer."),
    ]

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def sampling_options(command: Command) -> Command:
    """Adds --length, --temperature, --top-k, --top-p and --seed: how a language model writes."""
    options = [
        click.option("--length", default=200, type=_INT32, show_default=True, help="Characters to write."),
        click.option(
            "--temperature",
            default=0.7,
            show_default=True,
            help="How daring it writes; 0 always takes the likeliest character.",
        ),
        click.option(
            "--top-k",
            default=0,
            type=_INT32,
            show_default=True,
            help="Draw from the K likeliest characters; 0 means all.",
        ),
        click.option(
            "--top-p",
            default=1.0,
            show_default=True,
            help="Draw from the likeliest characters that together have this probability.",
        ),
        click.option("--seed", type=_INT64, help="The same seed gives the same text.  [default: another each time]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@contextlib.contextmanager
def asking(server: str, version: int | None, label: str | None) -> Iterator[None]:
    """Turns a server's refusal, or its absence, into one line: status 2 where the request is at fault, else 1."""
    from charseq_client import PredictionError
    from serving.contract.errors import Code

    if version is not None and label is not None:
        raise click.UsageError("--version and --label both name a version; give only one")
    try:
        yield
    except PredictionError as error:
        if error.code == Code.INVALID_ARGUMENT:
            raise InputError(error.reason) from None
        remedy = "; is a server running there? (charseq serve)" if error.code == Code.UNAVAILABLE else ""
        raise click.ClickException(f"{server}: {error.code.name}: {error.reason}{remedy}") from None


def find_serving_folder(serving_dir: str) -> str:
    """Returns the serving folder as an absolute path.

    Raises:
      InputError: There is none.
    """
    folder = Places(serving_dir=serving_dir).serving_dir
    if not os.path.isdir(folder):
        raise InputError(f"there is no folder {folder}; push a model first (charseq run), or name --serving-dir")
    return folder
