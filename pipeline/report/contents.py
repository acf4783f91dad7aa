"""What a run has left, read for its report. Whatever a run did not get to is empty."""

import dataclasses
import json
import os
from typing import Any

from components.evaluator.results import FILE_NAME as EVALUATION_FILE
from components.evaluator.results import Evaluation, read_evaluation
from pipeline.lineage import RunRecord
from pipeline.report.statistics import SplitStatistics, read_anomalies, read_statistics


@dataclasses.dataclass(frozen=True)
class Contents:
    """A run and what lies in its artifacts.

    Attributes:
      run: The run.
      evaluation: What the Evaluator found; None if it was not reached.
      history: The Trainer's: `epochs` (logs of each), `seconds`, `parameters`, `model` (its title), `layers`.
      predictions: Sampled predictions of a seq2seq model: `expression`, `answer`, `predicted`.
      samples: Texts written after the last epoch: `epoch`, `temperature`, `seed_text`, `text`.
      hyperparameters: Values that a Tuner has chosen.
      statistics: Of every split's features.
      anomalies: Of the data, one a line; None if they were not looked for.
    """

    run: RunRecord
    evaluation: Evaluation | None
    history: dict[str, Any]
    predictions: list[dict[str, str]]
    samples: list[dict[str, Any]]
    hyperparameters: dict[str, Any]
    statistics: list[SplitStatistics]
    anomalies: list[str] | None


def read_contents(run: RunRecord) -> Contents:
    """Reads a run's artifacts; one that has been deleted is as if it had never been."""
    evaluation_dir = _folder(run, "Evaluator", "evaluation")
    evaluated = os.path.exists(os.path.join(evaluation_dir, EVALUATION_FILE))
    samples = _read_json(run, "Trainer", "model_run", "samples.json", [])
    tuned = _read_json(run, "Tuner", "best_hyperparameters", "best_hyperparameters.txt", {})
    anomalies_dir = _folder(run, "ExampleValidator", "anomalies")
    return Contents(
        run=run,
        evaluation=read_evaluation(evaluation_dir) if evaluated else None,
        history=_read_json(run, "Trainer", "model_run", "history.json", {}),
        predictions=_read_json(run, "Trainer", "model_run", "predictions.json", []),
        samples=[sample for sample in samples if sample["epoch"] == samples[-1]["epoch"]],
        hyperparameters=tuned.get("values", {}),
        statistics=read_statistics(_folder(run, "StatisticsGen", "statistics")),
        anomalies=read_anomalies(anomalies_dir) if os.path.isdir(anomalies_dir) else None,
    )


def _folder(run: RunRecord, component: str, output: str) -> str:
    """Returns an artifact's folder, the empty string if there is none."""
    record = run.done.get(component)
    return record.outputs[output].uri if record and output in record.outputs else ""


def _read_json(run: RunRecord, component: str, output: str, name: str, missing: Any) -> Any:
    path = os.path.join(_folder(run, component, output), name)
    if not os.path.isabs(path) or not os.path.exists(path):
        return missing
    with open(path, encoding="utf-8") as file:
        return json.load(file)
