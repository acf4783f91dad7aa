"""The command that starts a Flink cluster on this machine."""

import signal
import tempfile
import time
from pathlib import Path
from types import FrameType

import click

from pipeline.flink.cluster import SessionCluster
from pipeline.flink.jar import FlinkError

_CHECK_SECONDS = 1.0


@click.command()
@click.option("--task-managers", default=2, show_default=True, type=click.IntRange(1), help="How many task managers.")
@click.option(
    "--slots",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Shards that each task manager works on at the same time.",
)
@click.option("--rest-port", default=8081, show_default=True, help="Port of the JobManager's REST interface.")
@click.option("--pool-port", default=50000, show_default=True, help="Port of the pool of Python workers.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Folder of logs.  [default: a new one]"
)
def flink(task_managers: int, slots: int, rest_port: int, pool_port: int, folder: Path | None) -> None:
    """Starts a Flink session cluster and Beam's job server on this machine, until you press Ctrl-C.

    Needs Java and Maven. Maven builds Flink's jar the first time. Prints the settings with which jobs run there.
    Beam's job server listens on every interface, and whoever reaches its ports can run any code on this machine. Use this
    only where a firewall closes them.

    \b
    Example:
      charseq flink --task-managers 2 > settings &
      charseq run sums $(tail -n 1 settings)
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="charseq-flink-"))
    click.echo("starting (the first time, Maven builds the jar)", err=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with SessionCluster(folder, task_managers, slots, (rest_port, pool_port)) as cluster:
            click.echo(f"Flink at {cluster.rest_url}, logs in {folder}; have jobs run here by", err=True)
            click.echo(" ".join(f"--set {setting}" for setting in cluster.settings()))
            while True:
                time.sleep(_CHECK_SECONDS)
                cluster.check()
    except FlinkError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("ended", err=True)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


COMMANDS = (flink,)
