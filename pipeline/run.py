"""A run of a task on this machine, from its configuration to what came of it."""

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

from components.baseline.served import served_version
from components.browser.component import BROWSER_MODEL_KEY
from components.browser.export import find_tools
from components.evaluator.component import REASONS_PROPERTY
from components.evaluator.results import Evaluation, read_evaluation
from components.infra_validator.component import REASON_PROPERTY
from pipeline.config import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.lineage import ComponentRecord, read_run
from pipeline.local_runner import ComponentFailedError, LocalRunner
from pipeline.places import Places
from pipeline.report import read_ngram, write_report


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What came of a run; the fields are those of `charseq run --json`.

    Attributes:
      task: Name of the task.
      run_id: Name of the run in ML Metadata.
      blessed: Whether Evaluator and InfraValidator have both let the model through.
      reasons: Why not, a sentence each.
      metrics: Mean metrics over the unseen examples, their number, seconds and epochs of training; those of them that the
        run got to.
      pushed_version: The version that was pushed; None if none was.
      served_version: The version that an unversioned request gets. After a promotion or rollback it stays what it was, whatever
        is pushed, until another is promoted.
      serving_dir: Folder that the model server reads.
      browser_model: Folder of the files for a browser; None if there are none.
      report: Path of the report.
      seconds: Seconds of each component.
      cached: Components whose outputs are an earlier run's.
    """

    task: str
    run_id: str
    blessed: bool
    reasons: list[str]
    metrics: dict[str, float]
    pushed_version: int | None
    served_version: int | None
    serving_dir: str
    browser_model: str | None
    report: str
    seconds: dict[str, float]
    cached: list[str]


def run_task(
    config: Config,
    places: Places,
    on_start: Callable[[str], None] = lambda component: None,
    on_done: Callable[[str, float], None] = lambda component, seconds: None,
) -> RunResult:
    """Runs a task's pipeline and writes its report; a component that fails ends the run, with its error as the reason."""
    if config.browser.export:
        find_tools(config.browser.tools)  # now, not when all else is done
    os.makedirs(places.root, exist_ok=True)
    runner = LocalRunner(on_start, on_done)
    failure: list[str] = []
    try:
        runner.run(create_pipeline(config, places))
    except ComponentFailedError as error:
        failure = [str(error)]
        if not runner.seconds:  # nothing of this run may be in ML Metadata
            raise
    records = read_run(places.metadata_path, runner.run_id)
    evaluation = read_evaluation(records["Evaluator"].outputs["evaluation"].uri) if "Evaluator" in records else None
    history = _read_history(records)
    pushed = records["Pusher"].outputs["pushed_model"].properties if "Pusher" in records else {}
    reasons = failure + _refusals(records)
    result = RunResult(
        task=config.task,
        run_id=runner.run_id,
        blessed=not reasons and evaluation is not None and evaluation.blessed,
        reasons=reasons,
        metrics=_metrics(evaluation, history, read_ngram(records)),
        pushed_version=int(pushed["pushed_version"]) if pushed.get("pushed") else None,
        served_version=served_version(places.model_dir(config.task)),
        serving_dir=places.serving_dir,
        browser_model=_find_browser_model(records),
        report=places.report_path(config.task, runner.run_id),
        seconds={component: round(seconds, 2) for component, seconds in runner.seconds.items()},
        cached=[component for component, record in records.items() if record.cached],
    )
    write_report(result, config, evaluation, records)
    return result


def _find_browser_model(records: dict[str, ComponentRecord]) -> str | None:
    if "BrowserModel" not in records:
        return None
    folder = records["BrowserModel"].outputs[BROWSER_MODEL_KEY].uri
    return folder if os.path.exists(os.path.join(folder, "index.html")) else None


def _read_history(records: dict[str, ComponentRecord]) -> dict[str, Any]:
    if "Trainer" not in records:
        return {}
    with open(os.path.join(records["Trainer"].outputs["model_run"].uri, "history.json")) as file:
        return dict(json.load(file))


def _refusals(records: dict[str, ComponentRecord]) -> list[str]:
    """Returns why Evaluator and InfraValidator refuse the model."""
    reasons: list[str] = []
    if "Evaluator" in records:
        reasons += json.loads(records["Evaluator"].outputs["blessing"].properties[REASONS_PROPERTY])
    if "InfraValidator" in records:
        reason = records["InfraValidator"].outputs["blessing"].properties.get(REASON_PROPERTY)
        reasons += [f"InfraValidator: {reason}"] if reason else []
    return reasons


def _metrics(evaluation: Evaluation | None, history: dict[str, Any], ngram: dict[str, Any] | None) -> dict[str, float]:
    metrics: dict[str, float] = {}
    if evaluation:
        metrics |= evaluation.metrics | {"examples": evaluation.slices[0].examples}
        metrics |= {f"baseline_{name}": value for name, value in (evaluation.baseline or {}).items()}
    if ngram:
        metrics |= {f"ngram_{name}": ngram[name] for name in ("bits_per_character", "nats_per_character")}
        metrics["characters"] = ngram["evaluation_characters"]
    if history:
        metrics |= {"train_seconds": round(history["seconds"], 2), "epochs": len(history["epochs"])}
    return metrics
