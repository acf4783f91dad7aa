"""What the commands share: options, and how bad input ends."""

from collections.abc import Callable
from typing import Any

import click

from pipeline.places import DEFAULT_ROOT, DEFAULT_TASK

Command = Callable[..., Any]


class InputError(click.ClickException):
    """Input that cannot be used: one line, exit status 2."""

    exit_code = 2


def json_option(command: Command) -> Command:
    """Adds --json."""
    text = "Print one JSON object, nothing else, on standard output."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def serving_dir_option(command: Command) -> Command:
    """Adds --serving-dir; empty is the default root's."""
    text = f"Folder with <model>/<version>.  [default: {DEFAULT_ROOT}/serving]"
    return click.option("--serving-dir", default="", help=text)(command)


def model_option(command: Command) -> Command:
    """Adds --model."""
    return click.option("--model", default=DEFAULT_TASK, show_default=True, help="Name of the model.")(command)


def rollout_server_option(command: Command) -> Command:
    """Adds --server for commands that also work on the files alone."""
    text = "A running server of that folder; without it the next one to start finds the change."
    return click.option("--server", metavar="HOST:PORT", help=text)(command)
