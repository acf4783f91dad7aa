"""The commands that look at what has been run: report, runs, tensorboard."""

import dataclasses
import itertools
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from components.names import COUNTS_PROPERTY, FINGERPRINT_PROPERTY
from pipeline.cli.options import InputError, json_option, print_json, root_option
from pipeline.places import Places

if TYPE_CHECKING:
    from pipeline.lineage import Lineage, RunRecord

# Runs that are listed, and whose logs TensorBoard shows, unless asked otherwise.
_LAST = 20
_LAST_LOGS = 5


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN [OTHER]]")
@root_option
@json_option
def report(names: tuple[str, ...], root: str, as_json: bool) -> None:
    """Opens the report of a run, or a comparison of two runs. Without a display it prints the path.

    RUN is a number from `charseq runs`, the name of a run, or a task or task file, of which it is the latest run. By
    default it is the latest run of all. If artifacts are gone, the command names them, keeps the report that shows them,
    and writes what is left into another file.

    \b
    Example:
      charseq report 3 4
      charseq report g2p-french
    """
    if len(names) > 2:
        raise click.UsageError(f"a report is of one run or two, not {len(names)}")
    from pipeline.report.page import write_comparison, write_report

    runs = [_find(_open(root), name) for name in names or ("",)]
    places = Places(root)
    try:
        page = write_comparison((runs[0], runs[1]), places) if len(runs) == 2 else write_report(runs[0], places)
    except OSError as error:
        raise click.ClickException(f"the report cannot be written: {error}; what was there is kept") from None
    for note in page.notes:
        click.echo(note, err=True)
    if as_json:
        missing = [dataclasses.asdict(part) for part in page.missing]
        answer = {"report": page.path, "runs": [run.run_id for run in runs], "missing": missing}
        print_json(answer | {"report_of_what_is_left": page.beside or None})
        return
    click.echo(page.path)
    if sys.stdout.isatty() and _has_display():
        click.launch(page.path)


@click.group(invoke_without_command=True)
@click.option("--last", default=_LAST, show_default=True, type=click.IntRange(1), help="How many runs.")
@root_option
@json_option
@click.pass_context
def runs(context: click.Context, last: int, root: str, as_json: bool) -> None:
    """Lists past runs, the newest first, with result, deciding figure and pushed version.

    \b
    Example:
      charseq runs
      charseq runs show 3
    """
    if context.invoked_subcommand:
        context.obj = root
        return
    from pipeline.report import words

    records = list(itertools.islice(_open(root), last))
    if as_json:
        print_json({"runs": [_summary(record) for record in records]})
        return
    rows = [("run", "began", "task", "took", "result", "", "pushed version")]
    for record in records:
        summary = _summary(record)
        metric = next((f"{name} {words.number(value)}" for name, value in record.metrics.items()), "")
        took = f"{summary['seconds']:.0f} s"
        pushed = str(record.pushed_version or "")
        rows.append((str(record.number), summary["began"], record.task, took, record.result, metric, pushed))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@runs.command()
@click.argument("run")
@root_option
@json_option
@click.pass_obj
def show(group_root: str, run: str, root: str, as_json: bool) -> None:
    """Shows the result of a run, and its data, code, settings and baseline.

    RUN is a number from `charseq runs`, a run's name, or a task or task file, of which it is the latest run.

    \b
    Example:
      charseq runs show 3
    """
    from pipeline.code_version import describe_code
    from pipeline.report import words
    from pipeline.report.figures import describe_interval, read_figures

    source = click.get_current_context().get_parameter_source("root")
    record = _find(_open(group_root if source == click.core.ParameterSource.DEFAULT else root), run)
    description = _summary(record) | {
        "code": record.notes.get("code", {}),
        "examples": {
            "fingerprint": record.examples.get(FINGERPRINT_PROPERTY),
            "numbers": json.loads(record.examples.get(COUNTS_PROPERTY) or "{}"),
            "data": _describe_data(record),
        },
        "baseline_version": record.baseline_version,
        "components": {
            name: {"state": part.state, "seconds": part.seconds} for name, part in record.components.items()
        },
        "artifacts": {
            f"{name}.{key}": output.uri for name, part in record.done.items() for key, output in part.outputs.items()
        },
        "config": record.config,
    }
    if as_json:
        print_json(description)
        return
    counts = ", ".join(f"{count:,} {split}" for split, count in description["examples"]["numbers"].items())
    lines: list[tuple[str, Any]] = [
        ("run", f"{record.number}, {record.run_id}"),
        ("task", record.task),
        ("result", record.result),
        *(("  because", reason) for reason in record.reasons),
        *(
            (
                name,
                words.number(figure.value) + (f", 95% interval {ends}" if (ends := describe_interval(figure)) else ""),
            )
            for name, figure in read_figures(record.metrics).items()
        ),
        ("pushed version", record.pushed_version or "none"),
        ("baseline", record.baseline_version or "no version was served"),
        ("code", describe_code(record.notes.get("code", {})) or "not noted"),
        ("examples", f"{record.examples.get(FINGERPRINT_PROPERTY, 'none')}" + (f" ({counts})" if counts else "")),
    ]
    lines += [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value)
        for name, value in description["examples"]["data"].items()
        if isinstance(value, int | str)
    ]
    lines += [
        (f"  {name}", f"{words.seconds(part.seconds):>10}  {part.state}") for name, part in record.components.items()
    ]
    lines += [
        (f"{section}", json.dumps(values)) for section, values in record.config.items() if isinstance(values, dict)
    ]
    for name, value in lines:
        click.echo(f"{name:18} {value}")


@click.command()
@click.option(
    "--runs", "count", default=_LAST_LOGS, show_default=True, type=click.IntRange(1), help="How many of the last runs."
)
@click.option("--port", default=6006, show_default=True, help="Port; 0 picks a free one.")
@root_option
def tensorboard(count: int, port: int, root: str) -> None:
    """Shows the training logs of the last runs in TensorBoard, on this machine only, until you press Ctrl-C.

    \b
    Example:
      charseq tensorboard --runs 3
    """
    from pipeline.tensorboard_logs import log_folders, serve_logs

    folders = log_folders(_open(root), count)
    if not folders:
        raise InputError(f"no run in {root} has left logs of a training")
    click.echo(f"starting TensorBoard with {', '.join(folders)}", err=True)
    sys.exit(serve_logs(folders, port))


def _open(root: str) -> "Lineage":
    """Returns the runs of a root."""
    from pipeline.lineage import Lineage, NoSuchRunError

    try:
        return Lineage(Places(root).metadata_path)
    except NoSuchRunError as error:
        raise InputError(str(error)) from None


def _find(lineage: "Lineage", name: str) -> "RunRecord":
    from pipeline.config.task_files import is_task_file, load_task
    from pipeline.lineage import NoSuchRunError

    try:
        return lineage.find(load_task(name).task if is_task_file(name) else name)
    except NoSuchRunError as error:
        raise InputError(str(error)) from None


def _describe_data(record: "RunRecord") -> dict[str, Any]:
    from pipeline.families import family_of

    family = family_of(record.config)
    return family.describe_data(record.examples) if family else {}


def _summary(record: "RunRecord") -> dict[str, Any]:
    """Returns what the list says of a run."""
    import datetime

    return {
        "run": record.number,
        "run_id": record.run_id,
        "began": datetime.datetime.fromtimestamp(record.began).isoformat(" ", "seconds"),
        "task": record.task,
        "seconds": round(sum(part.seconds for part in record.components.values()), 2),
        "result": record.result,
        "reasons": record.reasons,
        "metrics": record.metrics,
        "pushed_version": record.pushed_version,
    }


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


COMMANDS = (report, runs, tensorboard)
