"""Writes docs/reference/commands.md from the commands themselves: `python -m docs.tools.commands`."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.cli import main

PAGE = Path(__file__).parents[1] / "reference" / "commands.md"

_HEAD = """\
# Commands

Made from the commands themselves by `make reference`; a test holds the page to them. `charseq COMMAND --help` prints the same.

The exit status of every command is 0, or 1 if the command ran and the answer is no (for example, the model is refused), or 2
if the input cannot be used. An interrupted run ends with 130. With `--json` the last line of standard output is one JSON
object.
"""


def walk_commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yields a command and all commands below it, each with its full name, groups before their members."""
    yield name, command
    if isinstance(command, click.Group):
        for key in sorted(command.commands):
            yield from walk_commands(command.commands[key], f"{name} {key}")


def commands_page() -> str:
    """Returns the page in Markdown."""
    parts = [_HEAD]
    for name, command in walk_commands(main, "charseq"):
        if not command.hidden:
            parts.append(_describe(name, command))
    return "\n".join(parts)


def _describe(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", "```", usage, "```", ""]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):  # laid out by hand: a heading, and commands
            heading, *example = paragraph.removeprefix("\b\n").splitlines()
            lines += [heading, "", "```", *inspect.cleandoc("\n".join(example)).splitlines(), "```", ""]
        else:
            lines += [paragraph, ""]
    rows = [row for parameter in command.params if (row := _option(parameter, context))]
    if rows:
        lines += ["| option | what it does |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _option(parameter: click.Parameter, context: click.Context) -> str:
    """Returns a row of the table, as `--help` has it; empty for an argument and for a hidden option."""
    record = parameter.get_help_record(context)
    if record is None:
        return ""
    flags, text = (part.replace("|", "\\|") for part in record)
    return f"| `{flags}` | {' '.join(text.split())} |"


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
