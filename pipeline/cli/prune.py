"""`charseq prune`: deletes what old runs have left."""

import dataclasses
import os
import sys

import click

from pipeline.cli.options import InputError, json_option, print_json, root_option, roots_serving_dir_option
from pipeline.places import Places

_DEFAULT_KEEP = 10


@click.command()
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option("--keep", default=_DEFAULT_KEEP, show_default=True, type=click.IntRange(1), help="How many of each task.")
@click.option("--yes", is_flag=True, help="Delete; without it the command only shows what it would delete.")
@root_option
@roots_serving_dir_option
@json_option
def prune(tasks: tuple[str, ...], keep: int, yes: bool, root: str, serving_dir: str, as_json: bool) -> None:
    """Deletes artifacts, checkpoints and pushed versions of old runs. It shows them first, and deletes them with --yes.

    The newest runs, versions and checkpoints of each task (or of TASK) stay. So does whatever is served, has a label,
    is what a rollback goes to, or was used by a run that stays. The records and reports of all runs stay too.

    \b
    Example:
      charseq prune --keep 10
      charseq prune --keep 10 --yes
    """
    from pipeline.report import words
    from pipeline.retention.prune import delete, list_tasks, no_rollouts, plan_pruning
    from serving.rollout import RolloutError

    places = Places(root, serving_dir)
    for folder in (places.root, places.serving_dir):
        if "://" in folder:
            raise InputError(f"{folder} is not on this machine; charseq prune deletes on this machine alone")
    if not os.path.exists(places.metadata_path) and not os.path.isdir(places.serving_dir):
        raise InputError(f"there is no run in {places.root} and no folder {places.serving_dir}; name --root")
    if unknown := sorted(set(tasks) - set(list_tasks(places))):
        known = ", ".join(list_tasks(places)) or "none"
        raise InputError(f"there is no task {unknown[0]!r} here; there are {known}")
    failures: list[str] = []
    try:
        if yes:
            with no_rollouts(places.serving_dir):
                plan = plan_pruning(places, keep, tasks)
                failures = delete(plan, places)
        else:
            plan = plan_pruning(places, keep, tasks)
    except RolloutError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    if as_json:
        items = [
            {"kind": item.kind, "task": item.task, "name": item.name, "paths": item.paths, "bytes": item.bytes}
            for item in plan.items
        ]
        kept = [dataclasses.asdict(entry) for entry in plan.kept]
        print_json({"deleted": yes, "bytes": plan.bytes, "items": items, "kept": kept, "failures": failures})
    else:
        for item in plan.items:
            click.echo(f"{words.size(item.bytes):>10}  {item.task}: {item.kind} {item.name}")
        for entry in plan.kept:
            click.echo(f"{'kept':>10}  {entry.task}: {entry.kind} {entry.name}: {entry.reason}")
        if not plan.items:
            click.echo(f"there is nothing to delete: no more than the newest {keep} of each task, and what is needed")
        else:
            told = "deleted" if yes else "can be deleted; add --yes to delete it"
            click.echo(f"{words.size(plan.bytes):>10}  in all {told}")
    for failure in failures:
        click.echo(failure, err=True)
    if failures:
        sys.exit(1)


COMMANDS = (prune,)
