"""The commands about what is served: models, canary, promote, rollback."""

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    find_serving_folder,
    json_option,
    model_option,
    print_json,
    rollout_server_option,
    serving_dir_option,
)

if TYPE_CHECKING:
    from serving.rollout import Rollout


@click.command()
@serving_dir_option
@rollout_server_option
@json_option
def models(serving_dir: str, server: str | None, as_json: bool) -> None:
    """Lists pushed models: versions, their states on a running server, and labels.

    \b
    Example:
      charseq models --server 127.0.0.1:8500
    """
    from serving.rollout import RolloutError, list_models

    try:
        found = list_models(find_serving_folder(serving_dir), server=server)
    except RolloutError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json({"models": [dataclasses.asdict(model) for model in found]})
        return
    for model in found:
        click.echo(f"{model.name}  stable: {model.stable}{'' if model.pinned else ' (follows the newest)'}")
        for version in model.versions:
            notes = [version.state, *version.labels, version.error, "" if version.on_disk else "not in the folder"]
            click.echo("  ".join(["", str(version.version), *filter(None, notes)]))


@click.command()
@click.argument("version", type=int)
@model_option
@serving_dir_option
@rollout_server_option
@json_option
def promote(version: int, model: str, serving_dir: str, server: str | None, as_json: bool) -> None:
    """Makes a version the stable one.

    A request without a version gets the stable one, and the next run is compared with it.

    \b
    Example:
      charseq promote 1795302792 --server 127.0.0.1:8500
    """
    from serving.rollout import promote as promote_version

    _roll(lambda: promote_version(find_serving_folder(serving_dir), model, version, server=server), as_json)


@click.command()
@click.argument("version", type=int)
@click.option("--server", required=True, metavar="HOST:PORT", help="A running server of the folder.")
@click.option("--recorded", metavar="FILE", help="Recorded requests.  [default: the version's warm-up requests]")
@click.option(
    "--max-slowdown",
    default=3.0,
    show_default=True,
    help="Refuse it if its median latency is more than so many times that of the stable version.",
)
@click.option(
    "--min-agreement",
    default=0.0,
    show_default=True,
    help="Refuse it if fewer of its answers are equal to those of the stable version: a share from 0 to 1.",
)
@model_option
@serving_dir_option
@json_option
def canary(
    version: int,
    server: str,
    recorded: str | None,
    max_slowdown: float,
    min_agreement: float,
    model: str,
    serving_dir: str,
    as_json: bool,
) -> None:
    """Tries a version with recorded requests next to the stable one, then promotes or refuses it.

    Ends with status 1 if it is refused. `charseq run --set rollout.server=HOST:PORT` does it with every push.

    \b
    Example:
      charseq canary 1795302792 --server 127.0.0.1:8500
    """
    from serving.rollout import RolloutError
    from serving.rollout.canary import roll_out
    from serving.rollout.trial import CanaryLimits

    limits = CanaryLimits(max_slowdown=max_slowdown, min_agreement=min_agreement)
    try:
        result = roll_out(find_serving_folder(serving_dir), model, version, server, recorded=recorded, limits=limits)
    except RolloutError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json(dataclasses.asdict(result))
    else:
        compared = [] if result.slowdown is None else [f"{result.slowdown:.2f} times the stable version's latency"]
        compared += [] if result.agreement is None else [f"{result.agreement:.1%} of its answers"]
        click.echo(", ".join([f"tried with {result.requests} recorded requests", *compared]))
        for reason in result.reasons:
            click.echo(f"  {reason}")
        click.echo(f"{model} {version} is {'stable' if result.promoted else f'refused; stable is {result.stable}'}")
    if not result.promoted:
        sys.exit(1)


@click.command()
@model_option
@serving_dir_option
@rollout_server_option
@json_option
def rollback(model: str, serving_dir: str, server: str | None, as_json: bool) -> None:
    """Goes back to the version that was stable before. It stays stable until you promote another.

    \b
    Example:
      charseq rollback --server 127.0.0.1:8500
    """
    from serving.rollout import rollback as roll_back

    _roll(lambda: roll_back(find_serving_folder(serving_dir), model, server=server), as_json)


def _roll(change: "Callable[[], Rollout]", as_json: bool) -> None:
    from serving.rollout import RolloutError

    try:
        done = change()
    except RolloutError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json(dataclasses.asdict(done))
    else:
        when = "now" if done.live else "for the next server that starts"
        click.echo(f"{done.model}: stable is {done.version} {when}; before it was {done.previous}")


COMMANDS = (models, canary, promote, rollback)
