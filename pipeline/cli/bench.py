"""The benchmarks: speed and memory, compared with what people would use instead."""

import contextlib
import dataclasses
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import Command, InputError, json_option, print_json
from pipeline.cli.terminal.logs import held_back_stderr, set_up_logs
from pipeline.flink.jar import FlinkError

# The folder above `pipeline`: in a checkout, the one that has `benchmarks` beside it.
_CHECKOUT = Path(__file__).parents[2]


@click.group()
def bench() -> None:
    """Measures speed and memory. All sides of a comparison run on this machine, one after the other.

    \b
    Example:
      charseq bench generate
    """


def _runs_option(default: int) -> Callable[[Command], Command]:
    text = "Measurements; the median counts."
    return click.option("--runs", default=default, show_default=True, type=click.IntRange(1), help=text)


@bench.command()
@_runs_option(5)
@json_option
def generate(runs: int, as_json: bool) -> None:
    """Characters a second of a served language model, compared with the loop of reference 3.

    \b
    Example:
      charseq bench generate --runs 3
    """
    _run("generate", "exporting untrained models, starting a server", as_json, runs)


@bench.command()
@_runs_option(5)
@json_option
def train(runs: int, as_json: bool) -> None:
    """Examples a second of our Trainer, compared with the notebooks' model.fit and with PyTorch.

    \b
    Example:
      make peers                      # PyTorch, in an environment of its own
      charseq bench train --runs 3
    """
    _run("train", "compiling the models of references 2 and 3", as_json, runs)


@bench.command()
@click.option(
    "--sums",
    default=(100_000,),
    show_default=True,
    multiple=True,
    type=click.IntRange(100),
    help="Number of examples; repeat it for several numbers. TFX's own components take part up to 1,000,000.",
)
@click.option("--text", is_flag=True, help="Also measure a hundred times the text of a book.")
@click.option(
    "--workers", default=0, show_default=True, type=click.IntRange(0), help="Beam workers; 0 is one for each core."
)
@_runs_option(3)
@json_option
def data(sums: tuple[int, ...], text: bool, workers: int, runs: int, as_json: bool) -> None:
    """Seconds and memory of the data components, compared with TFX's own.

    \b
    Example:
      charseq bench data --sums 100000 --sums 1000000 --runs 1
    """
    _run("data", "each measurement is a process of its own", as_json, sums, text, workers, runs)


@bench.command()
@click.option("--megabytes", default=1_024, show_default=True, type=click.IntRange(1), help="Size of the table as CSV.")
@click.option("--peers/--no-peers", default=True, help="Whether TFX's own components read a tenth of the CSV.")
@click.option(
    "--workers", default=0, show_default=True, type=click.IntRange(0), help="Beam workers; 0 is one for each core."
)
@click.option("--folder", default="", help="Where the tables are made; by default where temporary files are.")
@json_option
def pairs(megabytes: int, peers: bool, workers: int, folder: str, as_json: bool) -> None:
    """Seconds and memory of the data components on a large CSV and Parquet, compared with TFX's own on a tenth of the CSV.

    It needs disk space of five times the table.

    \b
    Example:
      charseq bench pairs --megabytes 100 --folder /tmp
    """
    _run("pairs", "each measurement is a process of its own", as_json, megabytes, peers, workers, folder)


@bench.command()
@click.option("--days", "count", default=7, show_default=True, type=click.IntRange(1), help="How many days.")
@json_option
def days(count: int, as_json: bool) -> None:
    """Test errors and seconds of a run each day: from nothing, and from the weights of the served version.

    \b
    Example:
      charseq bench days --days 3
    """
    _run("days", "two trainings for each day", as_json, count)


@bench.command()
@click.option(
    "--notebook/--no-notebook",
    default=True,
    help="Whether to run the notebook of reference 2, which trains for minutes.",
)
@_runs_option(3)
@json_option
def pipeline(notebook: bool, runs: int, as_json: bool) -> None:
    """Where the seconds of `charseq run sums` go, compared with the notebook of reference 2.

    \b
    Example:
      charseq bench pipeline --runs 1 --no-notebook
    """
    _run("pipeline", "each run is a process of its own", as_json, runs, notebook)


@bench.command()
@_runs_option(5)
@json_option
def serve(runs: int, as_json: bool) -> None:
    """Requests a second of the built-in server, compared with gRPC alone and with servers from PyPI.

    \b
    Example:
      make peers                      # BentoML, LitServe, MLServer, Ray Serve, in an environment of their own
      charseq bench serve --runs 3
    """
    _run("serve", "exporting an untrained model, starting one server after the other", as_json, runs)


@bench.command()
@_runs_option(5)
@json_option
def seq2seq(runs: int, as_json: bool) -> None:
    """Training examples and answers a second of the model of pairs, compared with the same network in PyTorch.

    \b
    Example:
      make peers                      # PyTorch, in an environment of its own
      charseq bench seq2seq --runs 3
    """
    _run("seq2seq", "compiling the model, exporting it untrained, starting a server", as_json, runs)


@bench.command()
@click.option(
    "--language",
    "languages",
    default=("fre",),
    show_default=True,
    multiple=True,
    help="A language of the task g2p; repeat it for several.",
)
@click.option("--cmudict", is_flag=True, help="Also measure the task cmudict, which takes most of an hour.")
@json_option
def pronunciations(languages: tuple[str, ...], cmudict: bool, as_json: bool) -> None:
    """Words wrong of the model of pairs, compared with Phonetisaurus on the same rows.

    \b
    Example:
      make peers                      # Phonetisaurus, in an environment of its own
      charseq bench pronunciations --language fre --language hun
    """
    _run("pronunciations", "training on each language", as_json, languages, cmudict)


@bench.command()
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(1), help="Trainings of ours; the median counts."
)
@click.option("--count", default=200, show_default=True, type=click.IntRange(0), help="Made series; 0 leaves them out.")
@json_option
def series(seeds: int, count: int, as_json: bool) -> None:
    """Errors and seconds of forecasts on milk and on made series, beside AutoETS, AutoARIMA and SeasonalNaive.

    \b
    Example:
      make peers                      # statsforecast, in an environment of its own
      charseq bench series --seeds 1
    """
    _run("series", "training, then fitting each method again for each forecast", as_json, seeds, count)


@bench.command()
@click.option("--count", default=1_000_000, show_default=True, type=click.IntRange(100), help="Number of sums.")
@click.option(
    "--corpus",
    default="python-docs",
    show_default=True,
    help="The text, as in data.corpus; if it is empty, no text is measured.",
)
@click.option(
    "--task-managers",
    default=(1, 2),
    show_default=True,
    multiple=True,
    type=click.IntRange(1),
    help="How many task managers; repeat it for other numbers.",
)
@json_option
def flink(count: int, corpus: str, task_managers: tuple[int, ...], as_json: bool) -> None:
    """Seconds of ExampleGen and Transform on a Flink cluster on this machine, compared with the local runner.

    Ends with status 1 if they did not all write the same bytes. Needs Java and Maven.

    \b
    Example:
      charseq bench flink --task-managers 1 --task-managers 2
    """
    try:
        _run("flink", "one cluster after the other", as_json, count, corpus, task_managers)
    except FlinkError as error:
        raise click.ClickException(str(error)) from None


def _run(subject: str, doing: str, as_json: bool, *arguments: Any) -> None:
    """Measures by the module of that name and prints what it found."""
    click.echo(f"{subject}: {doing}", err=True)
    verbose = click.get_current_context().find_root().params["verbose"]
    _find_benchmarks()
    with contextlib.nullcontext() if verbose else held_back_stderr():
        from benchmarks.measuring.figures import machine, to_table

        measure = importlib.import_module(f"benchmarks.{subject}").measure
    set_up_logs(verbose)  # again, for what was imported may have set up its own
    figures = measure(*arguments)
    if as_json:
        found = {"machine": machine(), "figures": [dataclasses.asdict(figure) for figure in figures]}
        print_json(found)
    else:
        click.echo(to_table(figures))


def _find_benchmarks() -> None:
    """Makes the folder `benchmarks` of the checkout importable, here and in the processes that a benchmark starts."""
    if not (_CHECKOUT / "benchmarks" / "__init__.py").exists():
        raise InputError(
            "the package has no benchmarks: run this in a checkout of charseq's repository, where they are in benchmarks/"
        )
    sys.path.insert(0, str(_CHECKOUT))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_CHECKOUT), os.environ.get("PYTHONPATH"))))


COMMANDS = (bench,)
