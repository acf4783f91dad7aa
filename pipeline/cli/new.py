"""The command that writes a task file for a user's own data."""

import dataclasses

import click

from pipeline.cli.options import json_option, print_json


@click.command()
@click.argument("name")
@click.option("--family", required=True, help="Kind of the data, such as pairs or text (charseq settings lists them).")
@click.option("--data", multiple=True, metavar="FILES", help="Files, folders or globs with the data.")
@click.argument("more", nargs=-1, metavar="[FILES]...")
@click.option(
    "--set", "assignments", multiple=True, metavar="K=V", help="Write a setting into the file, such as data.input=word."
)
@click.option("--runner", is_flag=True, help="Write a file for TFX's own command as well.")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@json_option
def new(
    name: str,
    family: str,
    data: tuple[str, ...],
    more: tuple[str, ...],
    assignments: tuple[str, ...],
    runner: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Looks at your data and writes NAME.toml, a task file that runs as it is.

    What was found in the data stands in the file's comments.

    \b
    Example:
      charseq new g2p-french --family pairs --data 'fr/*.tsv'
      charseq run g2p-french.toml
    """
    from pipeline.config.drafts import write_task

    written = write_task(name, family, (*data, *more), assignments, runner, force)
    if as_json:
        print_json(dataclasses.asdict(written))
        return
    for line in written.found:
        click.echo(line)
    click.echo(f"wrote {written.path}" + (f" and {written.runner}" if written.runner else ""))
    click.echo(f"next: charseq run {written.path}")


COMMANDS = (new,)
