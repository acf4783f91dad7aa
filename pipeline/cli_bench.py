"""The benchmarks: what it costs, beside what people would use instead."""

import contextlib
import dataclasses
import json

import click

from pipeline.cli_logs import held_back_stderr, set_up_logs
from pipeline.cli_options import json_option


@click.group()
def bench() -> None:
    """What it costs, each side of a comparison in one run on this machine.

    \b
    Example:
      charseq bench generate
    """


@bench.command()
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1), help="Measurements; the median counts.")
@json_option
def generate(runs: int, as_json: bool) -> None:
    """Characters a second of a served language model, beside the loop of reference 3.

    \b
    Example:
      charseq bench generate --runs 3
    """
    click.echo("generate: importing, exporting untrained models, starting a server, measuring", err=True)
    verbose = click.get_current_context().find_root().params["verbose"]
    with contextlib.nullcontext() if verbose else held_back_stderr():
        from pipeline.bench.generate import measure
        from pipeline.bench.measure import machine, to_table
    set_up_logs(verbose)
    figures = measure(runs)
    if as_json:
        found = {"machine": machine(), "figures": [dataclasses.asdict(figure) for figure in figures]}
        click.echo(json.dumps(found))
    else:
        click.echo(to_table(figures))


COMMANDS = (bench,)
