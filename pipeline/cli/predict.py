"""The command that asks a model: about texts on the command line, or about every row of a file."""

import contextlib
import dataclasses
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.cli.batch import FILE_TIMEOUT, STANDARD, batch_options, is_given, open_batch, show_summary, stopping
from pipeline.cli.options import (
    as_input_error,
    asking,
    json_option,
    request_options,
    sampling_options,
)
from pipeline.places import DEFAULT_TASK

if TYPE_CHECKING:
    from pipeline.beam.settings import BeamSettings
    from pipeline.predict.job import Job, OnBadRow, Summary
    from pipeline.predict.progress import Progress
    from pipeline.predict.source import RowSource

_SAMPLING = ("length", "temperature", "top_k", "top_p", "seed")

# Options that mean something with --input alone.
_OF_FILES = (
    *("columns", "keep", "output", "output_format", "on_error", "with_version", "signature", "requests", "restart"),
    *("header", "delimiter", "encoding", *_SAMPLING),
)


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT...]")
@click.option("--input", "input_path", metavar="FILE", help="Ask about every row of a CSV, TSV, JSONL or Parquet file.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="[INPUT=]NAME",
    help="The column that is asked, by its name or position; INPUT= for a signature with several inputs. For a model that "
    "forecasts: a column of histories, or FIRST..LAST for a column a step; none for a table with a row a time.",
)
@click.option(
    "--keep", multiple=True, metavar="NAME", help="A column to copy; repeat it for more.  [default: all columns]"
)
@click.option(
    "--output",
    default=STANDARD,
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
@batch_options
@click.option("--signature", default="serving_default", show_default=True, help="The signature to call, such as score.")
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
    A model that forecasts reads a history from each row, or without --column a table as `charseq forecast` does.

    \b
    Example:
      charseq predict 12+34 7+8
      charseq predict --input sums.csv --column sum --output answers.parquet
      charseq predict --input - --column 1 --model-dir runs/serving/sums < sums.tsv
      charseq predict --input 'sums/*.parquet' --column sum --output answers.parquet --model-dir runs/serving/sums \
          --set beam.runner=flink --set beam.job_server=localhost:8099
      charseq predict --nbest 3 --model g2p-french oiseau
      charseq predict --nbest 3 --input words.csv --column word --output answers.csv --model g2p-french
      charseq predict --input histories.jsonl --column history --output forecasts.parquet --model milk
    """
    context = click.get_current_context()
    given = {name for name in context.params if is_given(context, name)}
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
    if assignments and (model_dir is None or STANDARD in (input_path, of_files["output"])):
        raise click.UsageError("--set beam...: for --model-dir with files as --input and --output")
    if nbest is not None and "signature" not in given:
        of_files["signature"] = "nbest"
    if as_json and of_files["output"] == STANDARD:
        raise click.UsageError("--json and the answers cannot both go to standard output: name a file with --output")
    sampling = {name: of_files[name] for name in _SAMPLING if name in given}
    where = {"server": server, "model": model, "version": version, "label": label, "model_dir": model_dir}
    timeout = timeout if "timeout" in given else FILE_TIMEOUT
    with asking(model_dir or server, version, label):
        _ask_file(input_path, where, timeout, sampling, nbest, assignments, of_files, as_json)


def check_options(arguments: list[str]) -> None:
    """Checks the options of a batch prediction that another machine is to run.

    Raises:
      click.UsageError: There is no such option, or it cannot be used without a server or with the others.
    """
    context = predict.make_context("charseq predict", list(arguments))
    given = {name for name in context.params if is_given(context, name)}
    if wrong := sorted(given & {"texts", "server", "model", "label", "timeout", "requests"}):
        raise click.UsageError(f"a step asks the model in the volume about a table: leave out {', '.join(wrong)}")
    if STANDARD in (context.params["input_path"], context.params["output"]):
        raise click.UsageError("a step has no standard input and output: name files")


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
        from pipeline.predict.job import Job
        from pipeline.predict.progress import Progress
        from pipeline.predict.question import QuestionError, make_question, match_columns
        from pipeline.predict.source import Source, open_source

    output = how["output"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(as_input_error(DataError, QuestionError))
        reading = {name: how[name] for name in ("header", "delimiter", "encoding")}
        beam = _beam_settings(assignments)
        back_end, journal = stack.enter_context(
            open_batch(input_path, output, where, timeout, how["requests"], keeps_journal=beam is None)
        )
        question = make_question(back_end.signatures, how["signature"], sampling, nbest)
        on_error = cast("OnBadRow", how["on_error"])
        job: Job
        source: RowSource
        if question.numbers and not how["columns"] and not how["keep"] and beam is None:
            from pipeline.families.series.forecasting import ForecastJob, forecast_context, open_series

            context = forecast_context(question)
            series = open_series(input_path, reading, on_error, context, "charseq forecast --")
            source = stack.enter_context(series)
            job = ForecastJob(source, question, back_end, on_error, how["with_version"])
        else:
            matched = match_columns(question, how["columns"])
            options = TableOptions(**reading, lists=bool(question.numbers))
            source = stack.enter_context(open_source(input_path, options, matched, how["keep"]))
            job = Job(source, question, back_end, on_error, how["with_version"])
        for name, called in job.renamed.items():
            click.echo(f"  the input has a column {name!r}: what the model says is in {called!r}", err=True)
        progress = Progress()
        with stopping(progress, journal):
            if isinstance(source, Source) and beam is not None:
                from pipeline.predict.beam_job import JobFailedError, run_on_beam

                try:
                    summary = run_on_beam(job, source, question, back_end.identity["folder"], beam, output, progress)
                except JobFailedError as error:
                    raise click.ClickException(str(error)) from None
            elif journal is None:
                summary = _to_standard_output(job, how["output_format"], progress)
            else:
                restart = how["restart"] or input_path == STANDARD  # which cannot be read once more
                summary = job.run_resumably(output, journal, progress, restart=restart)
    show_summary(summary, progress, {"output": output} if as_json else None)


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


COMMANDS = (predict,)
