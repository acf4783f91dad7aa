"""`charseq requests`: what a server has logged, as a table, and beside the training data."""

import dataclasses
import sys
from typing import Any

import click

from pipeline.cli.options import as_input_error, as_missing_model, json_option, print_json
from pipeline.cli.terminal.logs import held_back_stderr

_model_option = click.option("--model", default="", help="The model.  [default: the only one in the log]")
_signature_option = click.option(
    "--signature", default="serving_default", show_default=True, help="The signature that was called."
)


@click.group()
def requests() -> None:
    """Works with requests that a server has logged.

    LOG is a file, a quoted pattern of files, or the filename_prefix of a model's logging_config (docs/serving.md).

    \b
    Example:
      charseq requests table /var/log/models/sums --output requests.csv
      charseq requests compare /var/log/models/sums --model-dir runs/serving/sums
    """


@requests.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--output", required=True, metavar="FILE", help="The table: .csv, .tsv, .jsonl or .parquet.")
@_model_option
@_signature_option
@json_option
def table(logs: tuple[str, ...], output: str, model: str, signature: str, as_json: bool) -> None:
    """Writes logged requests as a table that `charseq predict --input` and `charseq new --data` read.

    It has a line for each row of each request: the inputs, the outputs, model, version and time.

    \b
    Example:
      charseq requests table /var/log/models/sums --output requests.csv
      charseq predict --input requests.csv --column text --model-dir runs/serving/sums
    """
    from pipeline.local.imports import importing

    with importing():  # Beam, which writes files anywhere
        from data.errors import DataError
        from data.tables.writing import open_writer, table_ending
        from pipeline.requests.reading import RequestLogError, read_predictions
        from pipeline.requests.table import RequestTable

    with as_input_error(RequestLogError, DataError):
        table_ending(output)
        found = RequestTable(read_predictions(logs, model, signature))
        with open_writer(output, found.schema) as writer:
            rows = found.write(writer)
    if as_json:
        print_json({"output": output, "rows": rows, "columns": found.schema.names})
    else:
        click.echo(f"{output}: {rows:,} rows with the columns {', '.join(found.schema.names)}")


@requests.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--model-dir", required=True, metavar="FOLDER", help="A pushed version, or a model's folder.")
@click.option("--version", type=int, help="Version of the model.  [default: the one that is served]")
@click.option("--max-divergence", default=0.1, show_default=True, help="Most Jensen-Shannon divergence, 0 to 1.")
@click.option("--max-new", default=0.0, show_default=True, help="Most share of rows with a new character, 0 to 1.")
@click.option(
    "--min-rows", default=100, show_default=True, type=click.IntRange(1), help="Fewest rows that say anything."
)
@_model_option
@_signature_option
@json_option
def compare(
    logs: tuple[str, ...],
    model_dir: str,
    version: int | None,
    max_divergence: float,
    max_new: float,
    min_rows: int,
    model: str,
    signature: str,
    as_json: bool,
) -> None:
    """Compares logged requests with a model's training data: lengths, characters, values, and characters that are new.

    Ends with status 1 if something is above its bound.

    \b
    Example:
      charseq requests compare /var/log/models/sums --model-dir runs/serving/sums
    """
    from pipeline.local.imports import importing
    from serving.local import find_version

    with as_missing_model():
        folder = find_version(model_dir, version)
    with held_back_stderr(), importing():  # TFDV
        from pipeline.requests.comparison import compare as compare_requests
        from pipeline.requests.comparison import read_training_statistics
        from pipeline.requests.reading import RequestLogError, read_predictions

    with as_input_error(RequestLogError):
        found = compare_requests(
            read_predictions(logs, model, signature),
            read_training_statistics(str(folder)),
            most_divergence=max_divergence,
            most_new=max_new,
            least_rows=min_rows,
        )
    if as_json:
        answer: dict[str, Any] = dataclasses.asdict(found)
        print_json(answer | {"version": str(folder), "exceeded": found.exceeded})
    else:
        click.echo(f"{found.rows:,} rows of {found.requests:,} requests, compared with the training data of {folder}")
        for difference in found.differences:
            far = "above" if difference.exceeded else "within"
            click.echo(
                f"{difference.words}: divergence {difference.divergence:.3f}, {far} the bound of {max_divergence:g}"
            )
        for new in found.new_characters:
            click.echo(f"{new.input}: {new.words}; the bound is {max_new:.2%}")
        if not found.new_characters:
            click.echo("no character is new")
    if found.exceeded:
        sys.exit(1)


COMMANDS = (requests,)
