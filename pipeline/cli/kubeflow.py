"""The commands about Kubeflow Pipelines: compile, predict, submit."""

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from data.whole_files import write_whole
from pipeline.cli.options import InputError, json_option, print_json
from pipeline.cli.terminal.logs import held_back_stderr, set_up_logs
from pipeline.file_errors import is_disk_full
from pipeline.places import DEFAULT_TASK

if TYPE_CHECKING:
    from pipeline.kubeflow.progress import Step
    from pipeline.kubeflow.settings import KubeflowSettings

_SECTION = "kubeflow"


def _pipeline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "Override a setting of the task (train.epochs=5) or of the cluster (kubeflow.image=registry/charseq:0.1.0)."
    command = click.option("--set", "assignments", multiple=True, metavar="K=V", help=text)(command)
    return click.argument("task", default=DEFAULT_TASK)(command)


@click.group()
def kubeflow() -> None:
    """Runs the same pipeline on Kubeflow Pipelines.

    \b
    Example:
      charseq kubeflow compile -o g2p.yaml g2p-french.toml
      charseq kubeflow submit --host http://localhost:8080 sums
    """


@kubeflow.command("compile")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The YAML file.")
@_pipeline_options
@json_option
def compile_command(output: Path, task: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Writes a task's pipeline as a file for Kubeflow Pipelines.

    \b
    Example:
      charseq kubeflow compile -o sums.yaml sums --set kubeflow.accelerator=nvidia.com/gpu
    """
    name = _compile(task, assignments, output)
    if as_json:
        print_json({"task": name, "output": str(output)})
    else:
        click.echo(f"{name}: {output}")


@kubeflow.command("predict")
@click.option(
    "-o", "--file", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The YAML file."
)
@click.option("--input", "input_path", required=True, metavar="PATH", help="The table, as a step sees it.")
@click.option("--output", required=True, metavar="PATH", help="Where the answers go, as a step sees it.")
@click.option("--set", "assignments", multiple=True, metavar="kubeflow.K=V", help="Override a setting of the cluster.")
@json_option
@click.argument("model")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS]")
def predict_command(
    path: Path,
    input_path: str,
    output: str,
    assignments: tuple[str, ...],
    model: str,
    options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Writes a batch prediction as a file for Kubeflow Pipelines: one step that asks MODEL about every row of a table.

    The model is the one in the volume that is served when the step runs. OPTIONS are those of `charseq predict`. A run may name
    another table: `charseq kubeflow submit --file FILE --param input=PATH --param output=PATH`.

    \b
    Example:
      charseq kubeflow predict -o answers.yaml sums --input /charseq/sums.csv --output /charseq/answers.parquet -- --column sum
      charseq kubeflow submit --host http://localhost:8080 --file answers.yaml
    """
    from pipeline.cli.predict import check_options
    from pipeline.kubeflow.predict import compile_prediction

    check_options(["--input", input_path, "--output", output, "--model-dir", model, *options])
    text = compile_prediction(model, input_path, output, options, _cluster_settings(assignments))
    _write(path, text)
    if as_json:
        print_json({"model": model, "output": str(path)})
    else:
        click.echo(f"{model}: {path}")


@kubeflow.command()
@_pipeline_options
@click.option("--host", default="", help="URL of Kubeflow Pipelines.  [default: as the KFP client finds it]")
@click.option("--namespace", default="", help="Namespace of a multi-user installation.")
@click.option("--token-file", default="", help="File with a bearer token.")
@click.option("--cookie-file", default="", help="File with the cookies of a session.")
@click.option("--header", "headers", multiple=True, metavar="K=V", help="A header to send with every request.")
@click.option("--ca-file", default="", help="Certificates (PEM) of the authorities that sign the server's certificate.")
@click.option("--kube-context", default="", help="Context of the kubeconfig, if --host is not given.")
@click.option(
    "--file",
    "package",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that `compile` wrote; otherwise the task is compiled now.",
)
@click.option("--param", "parameters", multiple=True, metavar="K=V", help="A parameter of the run.")
@click.option("--experiment", default="charseq", show_default=True, help="Experiment that the run belongs to.")
@click.option("--every", type=int, metavar="SECONDS", help="Make a recurring run: one every so many seconds.")
@click.option(
    "--cron", metavar="FIELDS", help="Make a recurring run. Six fields, seconds first: '0 0 3 * * *' is 3:00."
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the run to its end.")
@click.option("--interval", default=5.0, show_default=True, help="Seconds between two looks at the run.")
@json_option
def submit(
    task: str,
    assignments: tuple[str, ...],
    package: Path | None,
    parameters: tuple[str, ...],
    experiment: str,
    every: int | None,
    cron: str | None,
    wait: bool,
    interval: float,
    as_json: bool,
    **connection: Any,
) -> None:
    """Uploads a task's pipeline as a new version, starts a run and follows it.

    The status is 0 if the run succeeds, and otherwise 1. A run whose model is refused succeeds; the line `refused` says why.

    \b
    Example:
      charseq kubeflow submit --host http://localhost:8080 sums --set train.epochs=50
    """
    if every is not None and cron is not None:
        raise click.UsageError("--every and --cron both say when; give one")
    if package is not None and assignments:
        raise click.UsageError("--set is of no use with --file, which is compiled already; give --param settings=...")
    from pipeline.kubeflow.client import Connection, KubeflowError, connect
    from pipeline.kubeflow.follow import follow
    from pipeline.kubeflow.submit import Schedule, parse_parameters, read_package, run_url, start, step_names, upload

    schedule = Schedule(every, cron) if every is not None or cron is not None else None
    place = Connection(**connection)
    try:
        with tempfile.TemporaryDirectory() as folder:
            # What takes time comes after what may be refused.
            spec = read_package(package) if package is not None else None
            client = connect(place)
            if package is None or spec is None:
                package = Path(folder, "pipeline.yaml")
                _compile(task, assignments, package)
                spec = read_package(package)
            values = parse_parameters(spec, parameters)
            version = upload(client, package, spec["pipelineInfo"]["name"], place.namespace)
        click.echo(f"uploaded version {version.name}", err=True)
        root = spec.get("defaultPipelineRoot", "")
        started = start(client, version, experiment, values, schedule, place.namespace, root)
        result = {"pipeline_id": version.pipeline_id, "version_id": version.version_id}
        if schedule is not None:
            _show(result | {"recurring_run_id": started, "url": run_url(client, started, "recurringrun")}, as_json)
            return
        result |= {"run_id": started, "url": run_url(client, started)}
        click.echo(f"started run {started}: {result['url']}", err=True)
        if not wait:
            _show(result, as_json)
            return
        followed = follow(client, started, step_names(spec), _tell, interval, place.namespace)
    except KubeflowError as error:
        raise click.ClickException(str(error)) from None
    for line in followed.log:
        click.echo(f"  | {line}", err=True)
    steps = {step.name: {"state": step.state, "attempts": step.attempts} for step in followed.steps}
    outcome = {"state": followed.state, "error": followed.error, "refused": followed.refused, "log": followed.log}
    _show(result | outcome | {"steps": steps}, as_json)
    if followed.state != "SUCCEEDED":
        sys.exit(1)


def _compile(task: str, assignments: tuple[str, ...], output: Path) -> str:
    """Writes the compiled pipeline of a task, which is a name or a file; returns the task's name."""
    from pipeline.config.task_files import load_task

    own = tuple(assignment for assignment in assignments if assignment.startswith(f"{_SECTION}."))
    rest = tuple(assignment for assignment in assignments if assignment not in own)
    settings = _cluster_settings(own)
    name = load_task(task, rest).task  # bad input is found before TensorFlow is imported
    _check_ending(output)
    click.echo("compiling (importing TensorFlow, TFX and Beam)", err=True)
    verbose = click.get_current_context().find_root().params["verbose"]
    with contextlib.nullcontext() if verbose else held_back_stderr():
        from pipeline.kubeflow.compile import compile_pipeline
    set_up_logs(verbose)  # again, for absl and TensorFlow have set up theirs
    _write(output, compile_pipeline(task, rest, settings))
    return name


def _check_ending(output: Path) -> None:
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output} does not end in .yaml; Kubeflow recognizes a pipeline by this ending")


def _write(output: Path, text: str) -> None:
    _check_ending(output)
    try:
        write_whole(str(output), text.encode())
    except OSError as error:
        if is_disk_full(error):
            raise
        raise InputError(f"{output} cannot be written: {error.strerror}") from None


def _cluster_settings(assignments: tuple[str, ...]) -> "KubeflowSettings":
    from pipeline.config.overrides import override
    from pipeline.kubeflow.settings import KubeflowSettings

    @dataclasses.dataclass(frozen=True)
    class Cluster:
        kubeflow: KubeflowSettings

    return override(Cluster(KubeflowSettings()), assignments).kubeflow


def _tell(step: "Step") -> None:
    attempt = f", attempt {step.attempts}" if step.attempts > 1 else ""
    message = f" ({step.message})" if step.message else ""
    click.echo(f"  {step.name}: {step.state}{attempt}{message}", err=True)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if name not in ("steps", "log") and value:
            for line in value if isinstance(value, list) else [value]:
                click.echo(f"{name:18} {line}")


COMMANDS = (kubeflow,)
