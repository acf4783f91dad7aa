"""The command that forecasts what follows on the series of a table."""

import dataclasses
import os
from typing import Any

import click

from pipeline.cli.options import (
    InputError,
    as_input_error,
    as_missing_model,
    asking,
    json_option,
    print_json,
    request_options,
)

_PICTURES = (".png", ".svg", ".pdf")

# Series that a picture has room for.
_DRAWN = 12


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
    **reading: Any,
) -> None:
    """Forecasts what follows on the series of TABLE, with an interval.

    TABLE is a CSV, TSV, JSONL or Parquet file with a column of times and one of values, and for many series one of names; -
    is CSV on standard input. The model reads the end of each series.

    \b
    Example:
      charseq forecast --model milk history.csv
      charseq forecast --model sales sales.parquet --series shop --plot sales.png
      charseq forecast --model-dir runs/serving/milk history.csv --json
    """
    from pipeline.local.imports import importing

    with importing():  # Beam, which opens files anywhere
        from data.errors import DataError
        from pipeline.families.series.forecasting import forecast_series, read_history, to_rows

    if plot is not None and os.path.splitext(plot)[1].lower() not in _PICTURES:
        raise InputError(f"--plot {plot}: name a file that ends in {', '.join(_PICTURES)}")
    with asking(model_dir or server, version, label), as_input_error(DataError, ValueError):
        if output is not None:
            from data.tables.writing import table_ending

            table_ending(output)
        histories, frequency = read_history(table, reading)
        if model_dir is not None:
            from serving.local import LocalModel

            with as_missing_model(), LocalModel(model_dir, version=version) as local:
                asked = local.name, local.version
                forecasts = forecast_series(
                    histories, frequency, local.signatures, lambda inputs: local.predict(inputs, signature="window")
                )
        else:
            from charseq_client import Client, Prediction

            with Client(server, timeout=timeout, max_batch_size=1000) as client:
                answered: list[Prediction] = []

                def ask(inputs: dict[str, Any]) -> Prediction:
                    answered.append(
                        client.predict(inputs, model=model, version=version, label=label, signature="window")
                    )
                    return answered[-1]

                definitions = client.metadata(model, version=version, label=label)
                forecasts = forecast_series(histories, frequency, definitions, ask)
                asked = model, answered[-1].version
    rows = to_rows(forecasts)
    if output is not None:
        _write(rows, output)
    if plot is not None:
        from pipeline.families.series.pictures import draw_forecasts

        drawn = [dataclasses.asdict(one) for one in forecasts[:_DRAWN]]
        with as_input_error(OSError):
            draw_forecasts(drawn, named=True).savefig(plot, dpi=110)
        if len(forecasts) > _DRAWN:
            click.echo(f"  {plot} has the first {_DRAWN} of {len(forecasts):,} series", err=True)
    if as_json:
        found = [dataclasses.asdict(one) for one in forecasts]
        for one in found:
            del one["history"]
        print_json({"model": asked[0], "version": asked[1], "frequency": str(frequency), "forecasts": found})
    elif output is None:
        _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        shown = [
            cell.ljust(width) if name in ("series", "time") else cell.rjust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        ]
        click.echo("  ".join(shown).rstrip())


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def _write(rows: list[dict[str, Any]], path: str) -> None:
    import pyarrow as pa

    from data.tables.writing import open_writer

    table = pa.Table.from_pylist(rows)
    with open_writer(path, table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)


COMMANDS = (forecast,)
