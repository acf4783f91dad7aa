"""The command that forecasts what follows on the series of a table."""

import dataclasses
import os
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.cli.batch import FILE_TIMEOUT, STANDARD, batch_options, is_given, open_batch, show_summary, stopping
from pipeline.cli.options import InputError, as_input_error, asking, json_option, request_options

if TYPE_CHECKING:
    from pipeline.families.series.forecasting import ForecastJob
    from pipeline.predict.job import OnBadRow

_PICTURES = (".png", ".svg", ".pdf")

# Series that a picture has room for.
_DRAWN = 12

_SKIPPED_SHOWN = 20


@click.command()
@click.argument("table", metavar="TABLE")
@click.option("--time", default="", metavar="COLUMN", help="The column of the times.  [default: found out]")
@click.option("--value", default="", metavar="COLUMN", help="The column of the values.  [default: found out]")
@click.option("--series", default="", metavar="COLUMN", help="The column that names the series.  [default: found out]")
@click.option("--time-format", default="", help="Format of the times, such as %d.%m.%Y.  [default: found out]")
@click.option(
    "--decimal", type=click.Choice(["auto", ".", ","]), default="auto", show_default=True, help="The decimal mark."
)
@click.option("--frequency", default="auto", show_default=True, help="The step, such as month or '15 minutes'.")
@click.option(
    "--duplicates",
    type=click.Choice(["stop", "first", "last", "mean", "sum"]),
    default="stop",
    show_default=True,
    help="What counts where a time has several values.",
)
@click.option(
    "--longest-gap", default=3, show_default=True, help="Most missing steps that are filled on a straight line."
)
@click.option(
    "--header", type=click.Choice(["auto", "yes", "no"]), default="auto", help="Whether line 1 names columns."
)
@click.option("--delimiter", default="", help="Between two fields, such as ';'.  [default: found out]")
@click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the table.")
@click.option(
    "--output", metavar="FILE", help="Write the forecasts to a table: CSV, TSV, JSONL or Parquet by its ending."
)
@click.option("--plot", metavar="FILE", help="Draw history and forecasts into a .png, .svg or .pdf.")
@click.option(
    "--model-dir", metavar="FOLDER", help="Answer here, without a server: a pushed version, or a model's folder."
)
@batch_options
@request_options("milk")
@json_option
def forecast(
    table: str,
    output: str | None,
    plot: str | None,
    model_dir: str | None,
    server: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    as_json: bool,
    on_error: str,
    with_version: bool,
    requests: int,
    restart: bool,
    **reading: Any,
) -> None:
    """Forecasts what follows on the series of TABLE, with an interval.

    TABLE is a CSV, TSV, JSONL or Parquet file with a column of times and one of values, and for many series one of names; -
    is standard input. The model reads the end of each series. With --output, what is done is kept in OUTPUT.progress: if the
    command is interrupted, type it again, and it goes on from there.

    \b
    Example:
      charseq forecast --model milk history.csv
      charseq forecast --model sales sales.parquet --series shop --plot sales.png
      charseq forecast --model-dir runs/serving/milk history.csv --json
    """
    from pipeline.local.imports import importing

    with importing():  # Beam, which opens files anywhere
        from data.errors import DataError
        from pipeline.families.series.forecasting import ForecastJob, forecast_context, open_series
        from pipeline.predict.progress import Progress
        from pipeline.predict.question import make_question

    if plot is not None and os.path.splitext(plot)[1].lower() not in _PICTURES:
        raise InputError(f"--plot {plot}: name a file that ends in {', '.join(_PICTURES)}")
    context = click.get_current_context()
    where = {"server": server, "model": model, "version": version, "label": label, "model_dir": model_dir}
    timeout = timeout if output is None or is_given(context, "timeout") else FILE_TIMEOUT
    progress = Progress()
    with (
        asking(model_dir or server, version, label),
        as_input_error(DataError, ValueError),
        open_batch(table, output or STANDARD, where, timeout, requests) as (back_end, journal),
    ):
        question = make_question(back_end.signatures, "serving_default", {})
        with open_series(table, reading, cast("OnBadRow", on_error), forecast_context(question)) as source:
            job = ForecastJob(source, question, back_end, cast("OnBadRow", on_error), with_version)
            with stopping(progress, journal):
                if output is not None and journal is not None:
                    summary = job.run_resumably(output, journal, progress, restart=restart or table == STANDARD)
                else:
                    summary = job.collect(progress)
    forecasts = job.forecasts()
    _say_repairs(job)
    if plot is not None and forecasts:
        from pipeline.families.series.pictures import draw_forecasts

        drawn = [dataclasses.asdict(one) for one in forecasts[:_DRAWN]]
        with as_input_error(OSError):
            draw_forecasts(drawn, named=True).savefig(plot, dpi=110)
        if len(forecasts) > _DRAWN:
            click.echo(f"  {plot} has the first {_DRAWN} of {len(forecasts):,} series", err=True)
    answered = None
    if as_json:
        found = [dataclasses.asdict(one) for one in forecasts]
        for one in found:
            del one["history"]
        version = max(job.versions, default=None)
        answered = {
            "model": back_end.name,
            "version": version,
            "frequency": str(job.table.frequency),
            "forecasts": found,
        }
    elif output is None:
        _show(job.rows())
    show_summary(summary, progress, answered, "series")


def _say_repairs(job: "ForecastJob") -> None:
    """Says what was not in order in the table, and what became of it."""
    report = job.table.report
    for sentence in job.table.repairs.describe():
        click.echo(f"  {sentence}", err=True)
    for row in report.examples[:_SKIPPED_SHOWN]:
        click.echo(f"  {row.file}, line {row.line}: {row.reason}", err=True)
    if report.skipped:
        click.echo(f"  {report.skipped:,} rows could not be used and were left out", err=True)


def _show(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        shown = [
            cell.ljust(width) if name in ("series", "time", "error") else cell.rjust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        ]
        click.echo("  ".join(shown).rstrip())


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str | int):
        return "" if value is None else str(value)
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


COMMANDS = (forecast,)
