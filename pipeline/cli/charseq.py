"""The `charseq` command.

Commands import what they need when they run: TensorFlow alone takes seconds, and `--help` needs none of it.
"""

import dataclasses
import os
import shlex
import sys
from typing import Any

import click

from components.settings import SettingsError
from pipeline.cli import bench, flink, forecast, kubeflow, new, predict, prune, requests, rollout, runs, serving
from pipeline.cli.options import InputError, json_option, print_json, root_option, roots_serving_dir_option
from pipeline.cli.terminal.logs import held_back_stderr, set_up_logs
from pipeline.cli.terminal.streams import checked_streams
from pipeline.file_errors import describe_file_error
from pipeline.memory_errors import OutOfMemoryError, is_out_of_memory
from pipeline.places import DEFAULT_TASK, Places

# Exit status of a run that was interrupted, as a shell gives it.
INTERRUPTED = 130


class _Group(click.Group):
    """Turns errors of the user's making into one line and exit status 2, and those of a file system into status 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        with checked_streams():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise InputError(str(error)) from None
        except (click.exceptions.Exit, click.exceptions.Abort):
            raise
        except (OSError, ImportError, MemoryError, RuntimeError) as error:
            if ctx.params.get("verbose"):
                raise
            if _in_removed_folder():
                raise InputError("the current folder has been removed; change to one that is there (cd)") from None
            reason = describe_file_error(error) if isinstance(error, OSError) else ""
            if not reason and is_out_of_memory(error):
                reason = str(OutOfMemoryError())
            if not reason:
                raise
            raise click.ClickException(reason) from None


def _in_removed_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show the logs of the libraries as well.")
@click.version_option(package_name="charseq")
def main(verbose: bool) -> None:
    """Trains, checks and serves small models of string pairs, texts and series.

    \b
    Example:
      charseq run sums          # train, evaluate, validate and push
      charseq serve &           # serve what was pushed
      charseq predict 12+34     # ask it
    """
    set_up_logs(verbose)


@main.command()
@click.argument("task", required=False, metavar="[TASK]")
@click.option("--set", "assignments", multiple=True, metavar="K=V", help="Override a setting, such as train.epochs=5.")
@json_option
def tasks(task: str | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Lists the built-in tasks, or checks one and prints all its settings.

    TASK is a built-in task or a task file. What is printed is a task file itself.

    \b
    Example:
      charseq tasks
      charseq tasks g2p-french.toml
    """
    from pipeline.config.task_files import list_tasks, load_task

    if task is not None:
        from pipeline.config.drafts import render_task

        config = load_task(task, assignments)
        if as_json:
            print_json(dataclasses.asdict(config))
        else:
            click.echo(render_task(config), nl=False)
    elif assignments:
        raise click.UsageError("--set changes the settings of a TASK; name one")
    elif as_json:
        print_json({"tasks": list_tasks()})
    else:
        width = max(map(len, list_tasks()))
        for name, summary in list_tasks().items():
            click.echo(f"{name:{width}}  {summary}")


@main.command()
@click.argument("family", required=False, metavar="[FAMILY]")
@click.option("--markdown", is_flag=True, help="Print the settings of all families as Markdown (docs/settings.md).")
@json_option
def settings(family: str | None, markdown: bool, as_json: bool) -> None:
    """Lists every setting of a family's tasks: its values, its default and what it is for.

    Without FAMILY it lists the families.

    \b
    Example:
      charseq settings pairs
    """
    from pipeline.config.reference import list_settings, settings_page
    from pipeline.families import find_family, list_families

    if markdown:
        click.echo(settings_page(list_families()), nl=False)
    elif family is None:
        summaries = {name: find_family(name).summary for name in list_families()}
        if as_json:
            print_json({"families": summaries})
        else:
            width = max(map(len, summaries))
            for name, summary in summaries.items():
                click.echo(f"{name:{width}}  {summary}")
    elif as_json:
        print_json({"family": family, "settings": [s._asdict() for s in list_settings(family)]})
    else:
        for setting in list_settings(family):
            of = f"  [{setting.architecture}]" if setting.architecture else ""
            click.echo(f"{setting.name} = {setting.default}   ({setting.kind}){of}")
            click.echo(click.wrap_text(setting.reason, initial_indent="    ", subsequent_indent="    "))


@main.command()
@click.option("--markdown", is_flag=True, help="Print docs/errors.md.")
@json_option
def errors(markdown: bool, as_json: bool) -> None:
    """Lists the kinds of errors, with cause and remedy.

    \b
    Example:
      charseq errors
    """
    import dataclasses

    from pipeline.errors import errors_page, list_errors
    from pipeline.local.imports import importing

    with held_back_stderr(), importing():  # the modules that have them
        kinds = list_errors()
    if markdown:
        click.echo(errors_page(), nl=False)
    elif as_json:
        print_json({"errors": [dataclasses.asdict(kind) for kind in kinds]})
    else:
        for kind in kinds:
            click.echo(f"{kind.kind}   (status {kind.status})")
            for text in (kind.cause, kind.remedy):
                click.echo(click.wrap_text(text, initial_indent="    ", subsequent_indent="    "))


@main.command()
@click.argument("task", default=DEFAULT_TASK)
@click.option("--set", "assignments", multiple=True, metavar="K=V", help="Override a setting, such as train.epochs=5.")
@root_option
@roots_serving_dir_option
@json_option
def run(task: str, assignments: tuple[str, ...], root: str, serving_dir: str, as_json: bool) -> None:
    """Runs a task's whole pipeline here: data, training, gate, push. TASK is a built-in task or a task file.

    The status is 1 if the model or its rollout is refused, and 2 if the data or a setting cannot be used. If you press
    Ctrl-C, it is 130, and the command says how to go on.

    \b
    Example:
      charseq run sums --set train.epochs=50
      charseq run g2p-french.toml
    """
    from pipeline.cli.terminal.run_display import show_run
    from pipeline.config.task_files import load_task
    from pipeline.families import find_family
    from pipeline.local.imports import importing
    from pipeline.local.preflight import check_run

    config = load_task(task, assignments)
    config = find_family(config.family).settle(config)  # before what takes long to import
    places = Places(root, serving_dir)
    check_run(config, places)
    verbose = click.get_current_context().find_root().params["verbose"]
    try:
        with show_run(": ".join(filter(None, (config.task, config.summary))), verbose, live=not as_json) as observer:
            config.beam.prepare()
            with importing():
                from pipeline.local.run import run_task

            result = run_task(config, places, observer)
    except KeyboardInterrupt:
        again = shlex.join([*sys.argv, *([] if config.run.cache else ["--set", "run.cache=true"])])
        click.echo(f"Interrupted. What is done is kept. To go on from there:\n  {again}", err=True)
        sys.exit(INTERRUPTED)
    if as_json:
        import dataclasses

        print_json(dataclasses.asdict(result))
    else:
        from pipeline.report.figures import describe_figure, read_figures

        for name, figure in read_figures(result.metrics).items():
            click.echo(f"{name:24} {describe_figure(figure)}")
        click.echo(f"{'blessed':24} {'yes' if result.blessed else 'no'}")
        for reason in result.reasons:
            click.echo(f"  because {reason}")
        click.echo(f"{'pushed version':24} {result.pushed_version or 'none'}")
        for reason in result.rollout.reasons if result.rollout else ():
            click.echo(f"  its rollout was refused: {reason}")
        if result.pushed_version and result.served_version != result.pushed_version:
            click.echo(
                f"  served is {result.served_version} still: charseq promote {result.pushed_version} --model {config.task}"
            )
        if result.browser_model:
            click.echo(f"{'browser model':24} {result.browser_model}")
        click.echo(f"{'report':24} {result.report}")
    if result.bad_input:
        sys.exit(InputError.exit_code)
    if not result.blessed or (result.rollout and not result.rollout.promoted):
        sys.exit(1)


for command in (
    *new.COMMANDS,
    *serving.COMMANDS,
    *predict.COMMANDS,
    *forecast.COMMANDS,
    *rollout.COMMANDS,
    *kubeflow.COMMANDS,
    *flink.COMMANDS,
    *bench.COMMANDS,
    *runs.COMMANDS,
    *prune.COMMANDS,
    *requests.COMMANDS,
):
    main.add_command(command)
