"""The command that asks a model: about texts on the command line, or about every row of a file."""

import contextlib
import dataclasses
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.cli.options import (
    InputError,
    as_input_error,
    as_missing_model,
    asking,
    json_option,
    print_json,
    request_options,
    sampling_options,
)
from pipeline.places import DEFAULT_TASK

if TYPE_CHECKING:
    from pipeline.beam.settings import BeamSettings
    from pipeline.predict.back_ends import BackEnd
    from pipeline.predict.job import Job, OnBadRow, Summary
    from pipeline.predict.progress import Progress

# A request about a file's rows waits for the others in flight, and for a server that restarts.
_FILE_TIMEOUT = 300.0

_STANDARD = "-"

_SAMPLING = ("length", "temperature", "top_k", "top_p", "seed")

# Options that mean something with --input alone.
_OF_FILES = (
    *("columns", "keep", "output", "output_format", "on_error", "with_version", "signature", "requests", "restart"),
    *("header", "delimiter", "encoding", *_SAMPLING),
)

_BAD_ROWS_SHOWN = 20


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT...]")
@click.option("--input", "input_path", metavar="FILE", help="Ask about every row of a CSV, TSV, JSONL or Parquet file.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="[INPUT=]NAME",
    help="The column that is asked, by its name or position; INPUT= for a signature with several inputs.",
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="A column to copy; repeat it for more.  [default: all columns]"
)
@click.option(
    "--output",
    default=_STANDARD,
    metavar="FILE",
    help="Where the answers go; the ending of its name decides the format.  [default: -]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["csv", "tsv", "jsonl", "parquet"]),
    default="csv",
    show_default=True,
    help="Format of standard output.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip", "mark"]),
    default="stop",
    show_default=True,
    help="What to do with a bad row: stop, leave it out, or write it with the reason in the column `error`.",
)
@click.option("--with-version", is_flag=True, help="Add a column with the version that answered.")
@click.option("--signature", default="serving_default", show_default=True, help="The signature to call, such as score.")
@click.option(
    "--requests", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests at the same time."
)
@click.option("--restart", is_flag=True, help="Start again, whatever an earlier command has done.")
@click.option(
    "--header", type=click.Choice(["auto", "yes", "no"]), default="auto", help="Whether line 1 names columns."
)
@click.option("--delimiter", default="", help="What separates two fields, such as ';'.  [default: it is detected]")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the file.")
@click.option(
    "--model-dir",
    metavar="FOLDER",
    help="Load the model in this process instead of asking a server: a pushed version, or the folder of a model.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="beam.K=V",
    help="With --model-dir: answer as a Beam job, such as beam.runner=flink (charseq settings).",
)
@click.option("--nbest", type=click.IntRange(1), metavar="N", help="The N likeliest answers to each TEXT or row.")
@sampling_options
@request_options(DEFAULT_TASK)
@json_option
def predict(
    texts: tuple[str, ...],
    input_path: str | None,
    model_dir: str | None,
    assignments: tuple[str, ...],
    nbest: int | None,
    server: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    as_json: bool,
    **of_files: Any,
) -> None:
    """Asks a model about each TEXT and prints an answer in each line, or asks about every row of a file.

    A running server answers, or with --model-dir a model that is loaded in this process. The answers to a file keep its order.
    What is done is kept in OUTPUT.progress: if the command is interrupted, type it again, and it goes on from there. For a
    model that writes text, --length and the options after it say how it writes; row n gets the seed plus n, counted from 0.

    \b
    Example:
      charseq predict 12+34 7+8
      charseq predict --input sums.csv --column sum --output answers.parquet
      charseq predict --input - --column 1 --model-dir runs/serving/sums < sums.tsv
      charseq predict --input 'sums/*.parquet' --column sum --output answers.parquet --model-dir runs/serving/sums \
          --set beam.runner=flink --set beam.job_server=localhost:8099
      charseq predict --nbest 3 --model g2p-french oiseau
      charseq predict --nbest 3 --input words.csv --column word --output answers.csv --model g2p-french
    """
    context = click.get_current_context()
    given = {name for name in context.params if _is_given(context, name)}
    if bool(texts) == (input_path is not None):
        raise click.UsageError("give each TEXT to ask about, or --input FILE")
    if model_dir is not None and (others := sorted(given & {"server", "model", "label", "timeout", "requests"})):
        raise click.UsageError(f"--model-dir answers without a server: leave out --{', --'.join(others)}")
    if input_path is None:
        if unused := [name for name in (*_OF_FILES, "assignments") if name in given]:
            names = {"columns": "column", "output_format": "format", "assignments": "set"}
            options = ", ".join(f"--{names.get(name, name).replace('_', '-')}" for name in unused)
            raise click.UsageError(f"{options}: only with --input FILE")
        from pipeline.predict.texts import ask_texts

        ask_texts(texts, nbest, model_dir, server, model, version, label, timeout, as_json)
        return
    if assignments and (model_dir is None or _STANDARD in (input_path, of_files["output"])):
        raise click.UsageError("--set beam...: for --model-dir with files as --input and --output")
    if nbest is not None and "signature" not in given:
        of_files["signature"] = "nbest"
    if not of_files["columns"]:
        raise click.UsageError("say which column is asked: --column NAME")
    if as_json and of_files["output"] == _STANDARD:
        raise click.UsageError("--json and the answers cannot both go to standard output: name a file with --output")
    sampling = {name: of_files[name] for name in _SAMPLING if name in given}
    where = {"server": server, "model": model, "version": version, "label": label, "model_dir": model_dir}
    timeout = timeout if "timeout" in given else _FILE_TIMEOUT
    with asking(model_dir or server, version, label):
        _ask_file(input_path, where, timeout, sampling, nbest, assignments, of_files, as_json)


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _ask_file(
    input_path: str,
    where: dict[str, Any],
    timeout: float,
    sampling: dict[str, Any],
    nbest: int | None,
    assignments: tuple[str, ...],
    how: dict[str, Any],
    as_json: bool,
) -> None:
    """Asks about every row of a file."""
    from pipeline.local.imports import importing

    with importing():  # Beam, which opens files anywhere
        from data.errors import DataError
        from data.tables.options import TableOptions
        from data.tables.writing import table_ending
        from pipeline.predict.job import Job
        from pipeline.predict.journal import ENDING, Journal
        from pipeline.predict.progress import Progress
        from pipeline.predict.question import QuestionError, make_question, match_columns
        from pipeline.predict.source import open_source

    output = how["output"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(as_input_error(DataError, QuestionError))
        options = TableOptions(header=how["header"], delimiter=how["delimiter"], encoding=how["encoding"])
        beam = _beam_settings(assignments)
        journal = None
        if output != _STANDARD:
            table_ending(output)
            if os.path.isdir(output):
                raise InputError(f"{output} is a folder; name a file in it")
            if os.path.exists(output) and os.path.exists(input_path) and os.path.samefile(input_path, output):
                raise InputError(f"{output} is the input; write to another file")
        if output != _STANDARD and beam is None:
            beside = os.path.basename(output) if "://" in output else output
            journal = stack.enter_context(Journal(beside + ENDING))
        back_end = _open_back_end(where, timeout, how["requests"], journal.read_job() if journal else None)
        stack.callback(back_end.close)
        question = make_question(back_end.signatures, how["signature"], sampling, nbest)
        matched = match_columns(question, how["columns"])
        source = stack.enter_context(open_source(input_path, options, matched, how["keep"]))
        job = Job(source, question, back_end, cast("OnBadRow", how["on_error"]), how["with_version"])
        for name, called in job.renamed.items():
            click.echo(f"  the input has a column {name!r}: what the model says is in {called!r}", err=True)
        progress = Progress()
        try:
            if beam is not None:
                from pipeline.predict.beam_job import JobFailedError, run_on_beam

                try:
                    summary = run_on_beam(job, source, question, back_end.identity["folder"], beam, output, progress)
                except JobFailedError as error:
                    raise click.ClickException(str(error)) from None
            elif journal is None:
                summary = _to_standard_output(job, how["output_format"], progress)
            else:
                restart = how["restart"] or input_path == _STANDARD  # which cannot be read once more
                summary = job.run_resumably(output, journal, progress, restart=restart)
        except KeyboardInterrupt:
            progress.end()
            kept = "; what is done is kept: the same command goes on from there" if journal else ""
            click.echo(f"Interrupted{kept}.", err=True)
            sys.exit(130)
        finally:
            progress.end()
    _show_summary(summary, output, progress, as_json)


def _beam_settings(assignments: tuple[str, ...]) -> "BeamSettings | None":
    """Returns how a Beam job runs; None if nothing was set, and this process is to do it.

    Raises:
      SettingsError: An assignment is none of Beam's settings.
    """
    if not assignments:
        return None
    from pipeline.beam.settings import BeamSettings
    from pipeline.config.overrides import override

    @dataclasses.dataclass(frozen=True)
    class OfPrediction:
        beam: BeamSettings = dataclasses.field(default_factory=BeamSettings)

    settings = override(OfPrediction(), assignments).beam
    settings.prepare()
    return settings


def _open_back_end(where: dict[str, Any], timeout: float, requests: int, job: dict[str, Any] | None) -> "BackEnd":
    from pipeline.predict.back_ends import FolderBackEnd, ServerBackEnd

    if where["model_dir"] is not None:
        with as_missing_model():
            return FolderBackEnd(where["model_dir"], where["version"], (job or {}).get("model"))
    return ServerBackEnd(
        where["server"], where["model"], where["version"], where["label"], timeout=timeout, in_flight=requests
    )


def _to_standard_output(job: "Job", output_format: str, progress: "Progress") -> "Summary":
    from data.tables.writing import open_stream_writer, open_writer

    if output_format != "parquet":
        return job.run(open_stream_writer(sys.stdout.buffer, f".{output_format}", job.schema), progress)
    # A Parquet file has its contents behind its rows: whole or not at all.
    import shutil

    with tempfile.TemporaryDirectory(prefix="charseq-predict-") as folder:
        path = os.path.join(folder, "output.parquet")
        summary = job.run(open_writer(path, job.schema), progress)
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return summary


def _show_summary(summary: "Summary", output: str, progress: "Progress", as_json: bool) -> None:
    if as_json:
        fields = {"rows": summary.rows, "bad": summary.bad, "bad_rows": summary.bad_rows}
        print_json({"output": output, **fields, "seconds": round(progress.seconds, 2)})
    for row in summary.bad_rows[:_BAD_ROWS_SHOWN]:
        click.echo(f"  {row['file']}, line {row['line']}: {row['reason']}", err=True)
    if summary.bad > _BAD_ROWS_SHOWN:
        click.echo(f"  and {summary.bad - _BAD_ROWS_SHOWN:,} more bad rows: --on-error mark shows all", err=True)
    bad = f", {summary.bad:,} bad" if summary.bad else ""
    click.echo(
        f"  {summary.rows:,} rows{bad}, in {progress.seconds:.1f} s ({progress.rate(summary.rows):,.0f} a second)",
        err=True,
    )


COMMANDS = (predict,)
