"""What the commands share that ask a model about a whole table: options, who is asked, what is kept, and the last words."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import InputError, as_missing_model, print_json

if TYPE_CHECKING:
    from pipeline.predict.back_ends import BackEnd
    from pipeline.predict.job import Summary
    from pipeline.predict.journal import Journal
    from pipeline.predict.progress import Progress

Command = Callable[..., Any]

# A request about a file's rows waits for the others in flight, and for a server that restarts.
FILE_TIMEOUT = 300.0

# As a path: standard input or output.
STANDARD = "-"
_BAD_ROWS_SHOWN = 20


def batch_options(command: Command) -> Command:
    """Adds --on-error, --with-version, --requests and --restart."""
    options = [
        click.option(
            "--on-error",
            type=click.Choice(["stop", "skip", "mark"]),
            default="stop",
            show_default=True,
            help="What to do with a bad row: stop, leave it out, or write it with the reason in the column `error`.",
        ),
        click.option("--with-version", is_flag=True, help="Add a column with the version that answered."),
        click.option(
            "--requests",
            type=click.IntRange(1, 256),
            default=8,
            show_default=True,
            help="Requests at the same time.",
        ),
        click.option("--restart", is_flag=True, help="Start again, whatever an earlier command has done."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def is_given(context: click.Context, name: str) -> bool:
    """Returns whether the user has given an option."""
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


@contextlib.contextmanager
def open_batch(
    input_path: str, output: str, where: Mapping[str, Any], timeout: float, requests: int, keeps_journal: bool = True
) -> Iterator[tuple["BackEnd", "Journal | None"]]:
    """Gives who is asked and what keeps the answers, for a ``with`` statement.

    Args:
      input_path: What is read.
      output: What is written; `-` is standard output.
      where: `server`, `model`, `version`, `label` and `model_dir`.
      timeout: Longest time of a request, in seconds.
      requests: How many at a time.
      keeps_journal: Whether an interrupted command can be gone on with.

    Raises:
      InputError: The output is a folder or the input, or there is no such model.
      DataError: The output's format is not known, or its journal cannot be used.
      PredictionError: The server does not answer.
    """
    from data.tables.writing import table_ending
    from pipeline.predict.back_ends import FolderBackEnd, ServerBackEnd
    from pipeline.predict.journal import ENDING, Journal

    with contextlib.ExitStack() as stack:
        journal = None
        if output != STANDARD:
            table_ending(output)
            if os.path.isdir(output):
                raise InputError(f"{output} is a folder; name a file in it")
            if os.path.exists(output) and os.path.exists(input_path) and os.path.samefile(input_path, output):
                raise InputError(f"{output} is the input; write to another file")
            if keeps_journal:
                beside = os.path.basename(output) if "://" in output else output
                journal = stack.enter_context(Journal(beside + ENDING))
        back_end: BackEnd
        if where["model_dir"] is not None:
            job = journal.read_job() if journal else None
            with as_missing_model():
                back_end = FolderBackEnd(where["model_dir"], where["version"], (job or {}).get("model"))
        else:
            back_end = ServerBackEnd(
                where["server"], where["model"], where["version"], where["label"], timeout=timeout, in_flight=requests
            )
        stack.callback(back_end.close)
        yield back_end, journal


@contextlib.contextmanager
def stopping(progress: "Progress", journal: "Journal | None") -> Iterator[None]:
    """Ends the line of progress, and the command if it is interrupted: with status 130, and what to do to go on."""
    try:
        yield
    except KeyboardInterrupt:
        progress.end()
        kept = "; what is done is kept: the same command goes on from there" if journal else ""
        click.echo(f"Interrupted{kept}.", err=True)
        sys.exit(130)
    finally:
        progress.end()


def show_summary(
    summary: "Summary", progress: "Progress", answered: Mapping[str, Any] | None = None, rows: str = "rows"
) -> None:
    """Says what came of it: on standard error, and as JSON on standard output.

    Args:
      summary: What came of it.
      progress: What has counted the time.
      answered: What the JSON has besides; None for no JSON.
      rows: What the rows are called.
    """
    if answered is not None:
        fields = {"rows": summary.rows, "bad": summary.bad, "bad_rows": summary.bad_rows}
        print_json({**answered, **fields, "seconds": round(progress.seconds, 2)})
    for row in summary.bad_rows[:_BAD_ROWS_SHOWN]:
        click.echo(f"  {row['file']}, line {row['line']}: {row['reason']}", err=True)
    if summary.bad > _BAD_ROWS_SHOWN:
        click.echo(f"  and {summary.bad - _BAD_ROWS_SHOWN:,} more bad {rows}: --on-error mark shows all", err=True)
    bad = f", {summary.bad:,} bad" if summary.bad else ""
    click.echo(
        f"  {summary.rows:,} {rows}{bad}, in {progress.seconds:.1f} s ({progress.rate(summary.rows):,.0f} a second)",
        err=True,
    )
