"""A run of a task on this machine, from its configuration to what came of it."""

import dataclasses
import errno
import logging
import os

from components.baseline.served import list_versions, served_version
from components.browser.export import find_tools
from components.names import BROWSER_MODEL, BROWSER_MODEL_KEY
from components.settings import SettingsError
from data.errors import DataError
from pipeline.config.settings import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.errors import kind_of
from pipeline.families import find_family
from pipeline.file_errors import is_disk_full, is_read_only
from pipeline.lineage import Lineage, RunRecord, note_run, open_store
from pipeline.local.moved_root import follow_moved_root
from pipeline.local.reserve import Reserve
from pipeline.local.runner import ComponentFailedError, LocalRunner, run_notes
from pipeline.places import Places
from pipeline.report.contents import read_contents
from pipeline.report.page import write_report
from pipeline.run_observer import RunObserver
from serving.contract.canary_result import CanaryResult

_logger = logging.getLogger("charseq.run")


@dataclasses.dataclass(frozen=True)
class Run:
    """What came of a run; the fields are those of `charseq run --json`.

    Attributes:
      task: Name of the task.
      run_id: Name of the run in ML Metadata.
      blessed: Whether Evaluator and InfraValidator have both let the model through.
      reasons: Why not, a sentence each.
      metrics: Metrics over the test examples, their number, those of the served version (`baseline_`) and of the best
        simple method (`floor_`), seconds and epochs of training; those of them that the
        run got to.
      pushed_version: The version that was pushed; None if none was.
      rollout: What became of it as the server's canary; None without `rollout.server`.
      served_version: The version that an unversioned request gets. After a promotion or rollback it stays what it was, whatever
        is pushed, until another is promoted.
      serving_dir: Folder that the model server reads.
      browser_model: Folder of the files for a browser; None if there are none.
      report: Path of the report; empty if it could not be written.
      seconds: Seconds of each component.
      cached: Components whose outputs are an earlier run's.
      artifacts: Folder of each artifact, by `COMPONENT.OUTPUT`, such as `Trainer.model`.
      bad_input: Whether the run failed because the data or a setting cannot be used.
      error_kind: Kind of the error that ended the run, such as `table` or `disk-full` (docs/errors.md); empty if none did.
    """

    task: str
    run_id: str
    blessed: bool
    reasons: list[str]
    metrics: dict[str, float]
    pushed_version: int | None
    rollout: CanaryResult | None
    served_version: int | None
    serving_dir: str
    browser_model: str | None
    report: str
    seconds: dict[str, float]
    cached: list[str]
    artifacts: dict[str, str]
    bad_input: bool
    error_kind: str


def run_task(
    config: Config, places: Places, observer: RunObserver | None = None, *, catch_interrupts: bool = True
) -> Run:
    """Runs a task's pipeline and writes its report; a component that fails ends the run, with its error as the reason.

    Args:
      config: What to run.
      places: Where.
      observer: Is told what happens.
      catch_interrupts: Whether Ctrl-C is caught with a signal handler while it runs; see `LocalRunner`.

    Raises:
      SettingsError: The data, or a tool that the task needs, cannot be used; nothing was run.
      DiskFullError: There is not even the space to note what came of it.
      OSError: The root's file system has become read-only, so that nothing can be noted.
      KeyboardInterrupt: It was interrupted; see `pipeline.local.runner` for what is left then.
    """
    config = find_family(config.family).settle(config)
    if config.browser.export:
        find_tools(config.browser.tools)  # now, not when all else is done
    os.makedirs(places.root, exist_ok=True)
    reserve = Reserve(places.root, [places.root, places.serving_dir])
    try:
        return _run(config, places, observer, catch_interrupts, reserve)
    except Exception as error:
        if is_disk_full(error):
            raise reserve.error() from error
        if is_read_only(error):
            reason = f"{os.strerror(errno.EROFS)}; it has become so during the run: look at the disk, then run again"
            raise OSError(errno.EROFS, reason, places.root) from error
        raise
    finally:
        reserve.release()


def _run(config: Config, places: Places, observer: RunObserver | None, catch_interrupts: bool, reserve: Reserve) -> Run:
    follow_moved_root(places)
    runner = LocalRunner(observer, run_notes(config), catch_interrupts=catch_interrupts, reserve=reserve)
    bad_input, error_kind = False, ""
    try:
        runner.run(create_pipeline(config, places))
    except ComponentFailedError as error:  # the run's record says so
        bad_input = isinstance(error.cause, SettingsError | DataError)
        error_kind = kind_of(error.cause)
    reserve.release()
    model_dir = places.model_dir(config.task)
    served = served_version(model_dir)
    store = open_store(places.metadata_path)
    note_run(store, runner.run_id, {"served": {"version": served, "versions": list_versions(model_dir)}})
    record = Lineage(places.metadata_path).find(runner.run_id)
    return Run(
        task=config.task,
        run_id=runner.run_id,
        blessed=record.result == "blessed",
        reasons=record.reasons,
        metrics=_metrics(record),
        pushed_version=record.pushed_version,
        rollout=record.rollout,
        served_version=served,
        serving_dir=places.serving_dir,
        browser_model=_find_browser_model(record),
        report=_report(record, places),
        seconds={component: round(seconds, 2) for component, seconds in runner.seconds.items()},
        cached=[component for component, part in record.components.items() if part.state == "cached"],
        artifacts={
            f"{component}.{name}": output.uri
            for component, part in record.done.items()
            for name, output in part.outputs.items()
        },
        bad_input=bad_input,
        error_kind=error_kind,
    )


def _report(record: RunRecord, places: Places) -> str:
    """Writes the report; what was run is not lost because there is no space for it."""
    try:
        return write_report(record, places).path
    except OSError as error:
        _logger.warning("the report cannot be written: %s; charseq report %s writes it later", error, record.number)
        return ""


def _find_browser_model(record: RunRecord) -> str | None:
    if BROWSER_MODEL not in record.done:
        return None
    folder = record.done[BROWSER_MODEL].outputs[BROWSER_MODEL_KEY].uri
    return folder if os.path.exists(os.path.join(folder, "index.html")) else None


def _metrics(record: RunRecord) -> dict[str, float]:
    contents = read_contents(record)
    evaluation, history = contents.evaluation, contents.history
    metrics: dict[str, float] = {}
    if evaluation:
        metrics |= evaluation.metrics | {"examples": evaluation.slices[0].examples}
        metrics |= {f"baseline_{name}": value for name, value in (evaluation.baseline or {}).items()}
        floor = evaluation.highest_floor
        metrics |= {f"floor_{name}": value for name, value in floor.metrics.items()} if floor else {}
    if history:
        metrics |= {"train_seconds": round(history["seconds"], 2), "epochs": len(history["epochs"])}
    return metrics
