"""The `charseq` command.

Commands import what they need when they run: TensorFlow alone takes seconds, and `--help` needs none of it.
"""

import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import click

from components.settings import SettingsError
from pipeline.places import DEFAULT_ROOT, DEFAULT_TASK, Places

_DEFAULT_SERVER = "127.0.0.1:8500"


class _InputError(click.ClickException):
    """Input that cannot be used: one line, exit status 2."""

    exit_code = 2


class _Group(click.Group):
    """Turns errors of the user's making into one line and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise _InputError(str(error)) from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Show the logs of the libraries as well.")
@click.version_option(package_name="charseq")
def main(verbose: bool) -> None:
    """Trains, gates and serves character-level sequence models.

    \b
    Example:
      charseq run sums          train, evaluate, validate and push
      charseq serve &           serve what was pushed
      charseq predict 12+34     ask it
    """
    _set_up_logs(verbose)


def _set_up_logs(verbose: bool) -> None:
    """Our own progress to standard error; the libraries' logs too if asked for (what goes wrong is raised, not logged)."""
    if not verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s" if verbose else "  %(message)s"))
    if not verbose:
        handler.addFilter(lambda record: record.name.partition(".")[0] == "charseq")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("charseq").setLevel(logging.INFO)
    logging.captureWarnings(not verbose)


@contextlib.contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Holds standard error back, and shows it only if something goes wrong.

    TensorFlow's libraries print notes while they are loaded, before any log level is heeded.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object, nothing else, on standard output."
    )(command)


@main.command()
@_json_option
def tasks(as_json: bool) -> None:
    """Lists the named tasks.

    \b
    Example:
      charseq tasks
    """
    from pipeline.tasks import list_tasks

    if as_json:
        click.echo(json.dumps({"tasks": list_tasks()}))
    else:
        width = max(map(len, list_tasks()))
        for name, summary in list_tasks().items():
            click.echo(f"{name:{width}}  {summary}")


@main.command()
@click.argument("task", default=DEFAULT_TASK)
@click.option("--set", "assignments", multiple=True, metavar="K=V", help="Override a setting, such as train.epochs=5.")
@click.option("--root", default=DEFAULT_ROOT, show_default=True, help="Folder of artifacts, metadata and reports.")
@click.option("--serving-dir", default="", help="Folder that the model server reads.  [default: ROOT/serving]")
@_json_option
def run(task: str, assignments: tuple[str, ...], root: str, serving_dir: str, as_json: bool) -> None:
    """Runs a task's whole pipeline here: data, training, gate, push.

    Ends with status 1 if the model is refused.

    \b
    Example:
      charseq run sums --set train.epochs=50
    """
    from pipeline.config import override
    from pipeline.tasks import find_task

    config = override(find_task(task, assignments), assignments)
    click.echo(f"{config.task}: {config.summary}", err=True)
    click.echo("  starting (importing TensorFlow, TFX and Beam)", err=True)
    verbose = click.get_current_context().find_root().params["verbose"]
    with contextlib.nullcontext() if verbose else _held_back_stderr():
        from pipeline.run import run_task
    _set_up_logs(verbose)  # again, for absl and TensorFlow have set up theirs
    result = run_task(
        config,
        Places(root, serving_dir),
        on_start=lambda component: click.echo(component, err=True),
        on_done=lambda component, seconds: click.echo(f"  done in {seconds:.1f} s", err=True),
    )
    if as_json:
        import dataclasses

        click.echo(json.dumps(dataclasses.asdict(result)))
    else:
        for name, value in result.metrics.items():
            click.echo(f"{name:24} {value:,.4f}" if isinstance(value, float) else f"{name:24} {value:,}")
        click.echo(f"{'blessed':24} {'yes' if result.blessed else 'no'}")
        for reason in result.reasons:
            click.echo(f"  because {reason}")
        click.echo(f"{'pushed version':24} {result.pushed_version or 'none'}")
        click.echo(f"{'report':24} {result.report}")
    if not result.blessed:
        sys.exit(1)


@main.command()
@click.option("--serving-dir", default="", help=f"Folder with <model>/<version>.  [default: {DEFAULT_ROOT}/serving]")
@click.option("--port", default=8500, show_default=True, help="Port for gRPC; 0 picks a free one.")
@click.option("--rest-port", type=int, help="Port for REST; none unless given.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1, this machine alone]")
def serve(serving_dir: str, port: int, rest_port: int | None, host: str | None) -> None:
    """Serves every pushed model, and every one that is pushed later, until it is stopped (Ctrl-C).

    By tensorflow_model_server if it is on PATH, else by the built-in server with the same API.

    \b
    Example:
      charseq serve --port 8500
    """
    from serving.launch import server_command

    verbose = click.get_current_context().find_root().params["verbose"]
    folder = Places(serving_dir=serving_dir).serving_dir
    if not os.path.isdir(folder):
        raise _InputError(f"there is no folder {folder}; push a model first (charseq run), or name --serving-dir")
    try:
        command = server_command(folder, port=port, rest_port=rest_port, bind_address=host, verbose=verbose)
    except ValueError as error:
        raise _InputError(str(error)) from None
    os.execv(shutil.which(command[0]) or command[0], command)  # noqa: S606 (replaces this process: signals go straight to it)


@main.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--server", default=_DEFAULT_SERVER, show_default=True, metavar="HOST:PORT", help="The model server.")
@click.option("--model", default=DEFAULT_TASK, show_default=True, help="Name of the model.")
@click.option("--version", type=int, help="Version of the model.  [default: the newest]")
@click.option("--label", help="Label of the version, such as stable.")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds to wait for the answer.")
@_json_option
def predict(
    texts: tuple[str, ...],
    server: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Asks a served model; one answer a line.

    \b
    Example:
      charseq predict 12+34 7+8
    """
    from serving.client import Client, PredictionError
    from serving.errors import Code

    if version is not None and label is not None:
        raise click.UsageError("--version and --label both name a version; give one")
    try:
        with Client(server, timeout=timeout) as client:
            prediction = client.predict({"text": texts}, model=model, version=version, label=label)
    except PredictionError as error:
        if error.code == Code.INVALID_ARGUMENT:
            raise _InputError(error.reason) from None
        remedy = "; is a server running there? (charseq serve)" if error.code == Code.UNAVAILABLE else ""
        raise click.ClickException(f"{server}: {error.code.name}: {error.reason}{remedy}") from None
    answers = prediction.strings("text")
    if as_json:
        rows = [
            {"input": text, "output": answer, "log_prob": float(log_prob)}
            for text, answer, log_prob in zip(texts, answers, prediction.outputs["log_prob"], strict=True)
        ]
        click.echo(json.dumps({"predictions": rows, "model": prediction.model, "version": prediction.version}))
    else:
        for answer in answers:
            click.echo(answer)
