"""Whatever the documentation tells a reader to type is accepted by the command line, and its settings exist."""

import re
import tomllib

import click
import pytest

from components.settings import SettingsError
from docs.tools.commands import PAGE, commands_page
from pipeline.cli import main
from pipeline.config.task_files import list_tasks, load_task
from tests.docs.pages import MARKERS, ROOT, charseq_calls, markdown_files, read_blocks

PAGES = markdown_files()

# Names that stand for a value of the reader's own.
_PLACEHOLDERS = {"VERSION": "1", "N": "1", "A": "1", "B": "2"}


def parse(arguments: list[str]) -> click.Context:
    """Returns what click makes of a command's arguments, which is not invoked."""
    command: click.Command = main
    context, name = None, "charseq"
    while True:
        context = command.make_context(name, arguments, parent=context)
        rest = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not rest:
            return context
        name, command, arguments = command.resolve_command(context, rest)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_the_pages_can_be_typed(path):
    wrong = []
    for where, arguments in charseq_calls(path):
        given = [_PLACEHOLDERS.get(argument, argument) for argument in arguments]
        if not given or {"COMMAND", "--help", "[OPTIONS]"} & set(given):
            continue
        try:
            context = parse(given)
        except click.exceptions.NoArgsIsHelpError:
            continue
        except click.UsageError as error:
            if not re.search("does not exist|Missing|requires an argument", error.format_message()):
                wrong.append(f"{where}\n  {error.format_message()}")
            continue
        task = context.params.get("task")
        if context.info_name == "run" and task in list_tasks():
            try:
                load_task(task, [a for a in context.params["assignments"] if not re.search("[A-Z]{4}|{", a)])
            except SettingsError as error:
                wrong.append(f"{where}\n  {error}")
    assert not wrong, "\n".join(wrong)


def test_a_wrong_option_a_wrong_command_and_a_wrong_setting_are_found():
    with pytest.raises(click.UsageError):
        parse(["run", "sums", "--sett", "train.epochs=1"])
    with pytest.raises(click.UsageError):
        parse(["runs", "shown", "3"])
    assert parse(["runs", "show", "3"]).info_name == "show"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_compiles_and_toml_parses(path):
    for block in read_blocks(path):
        assert not block.marker or MARKERS.fullmatch(block.marker), f"{block}: {block.marker}"
        if block.language == "python":
            compile(block.text, str(block), "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)


def test_the_page_of_commands_is_what_the_commands_say():
    assert PAGE.read_text(encoding="utf-8") == commands_page(), "make it anew: make reference"
