"""What a run has left, read for its report. What a run did not get to is empty; what is gone or cannot be read is named."""

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from components.evaluator.results import FILE_NAME as EVALUATION_FILE
from components.evaluator.results import Evaluation, read_evaluation
from components.names import EVALUATOR, EXAMPLE_VALIDATOR, STATISTICS_GEN, TRAINER, TUNER
from pipeline.lineage import RunRecord
from pipeline.report.statistics import SplitStatistics, read_anomalies, read_statistics

_T = TypeVar("_T")
_C = TypeVar("_C", dict[str, Any], list[Any])

# What a file raises that is damaged, or that another version of charseq has written.
_UNREADABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, DecodeError)

# The reason for what was deleted, or moved away.
GONE = "is gone"

# What every history of a training has.
_HISTORY = frozenset(("epochs", "seconds", "parameters", "model"))

# What every summary of a warm start has.
_WARM_START = frozenset(("taken", "new", "gone", "reason"))


@dataclasses.dataclass(frozen=True)
class Missing:
    """An artifact that a run made and that cannot be shown.

    Attributes:
      name: The component and the output, such as `Evaluator.evaluation`.
      path: Its folder, or the file in it that is meant.
      why: `is gone`, or what is wrong with it.
    """

    name: str
    path: str
    why: str


@dataclasses.dataclass(frozen=True)
class Contents:
    """A run and what lies in its artifacts.

    Attributes:
      run: The run.
      evaluation: What the Evaluator found; None if it was not reached.
      history: The Trainer's: `epochs` (logs of each), `seconds`, `parameters`, `model` (its title), `layers`.
      warm_start: What the training took over from the served version, see `components.trainer.warm_start.WarmStart.summary`;
        empty if it began from nothing because nothing else was asked for.
      predictions: Sampled predictions of a seq2seq model: `expression`, `answer`, `predicted`.
      samples: Texts written after the last epoch: `epoch`, `temperature`, `seed_text`, `text`.
      hyperparameters: Values that a Tuner has chosen.
      statistics: Statistics of every split's features.
      anomalies: Anomalies of the data, one a line; None if they were not looked for.
      missing: Artifacts that the run made and that are gone, or cannot be read.
    """

    run: RunRecord
    evaluation: Evaluation | None
    history: dict[str, Any]
    warm_start: dict[str, Any]
    predictions: list[dict[str, str]]
    samples: list[dict[str, Any]]
    hyperparameters: dict[str, Any]
    statistics: list[SplitStatistics]
    anomalies: list[str] | None
    missing: list[Missing]

    @property
    def parts(self) -> set[str]:
        """The names of what was there to be read."""
        names = {field.name for field in dataclasses.fields(self)} - {"run", "missing", "anomalies"}
        return {name for name in names if getattr(self, name)} | (
            {"anomalies"} if self.anomalies is not None else set()
        )


def read_contents(run: RunRecord) -> Contents:
    """Reads a run's artifacts, as far as they are there and can be read."""
    reader = _Reader(run)
    samples: list[dict[str, Any]] = reader.json(TRAINER, "model_run", "samples.json", [])
    tuned: dict[str, Any] = reader.json(TUNER, "best_hyperparameters", "best_hyperparameters.txt", {})
    return Contents(
        run=run,
        evaluation=reader.evaluation(),
        history=reader.json(TRAINER, "model_run", "history.json", {}, _HISTORY),
        warm_start=reader.json(TRAINER, "model_run", "warm_start.json", {}, _WARM_START),
        predictions=reader.json(TRAINER, "model_run", "predictions.json", []),
        samples=[sample for sample in samples if sample["epoch"] == samples[-1]["epoch"]],
        hyperparameters=tuned.get("values", {}),
        statistics=reader.folder(STATISTICS_GEN, "statistics", read_statistics, []),
        anomalies=reader.folder(EXAMPLE_VALIDATOR, "anomalies", read_anomalies, None),
        missing=reader.missing,
    )


def _read_evaluation(folder: str) -> Evaluation:
    evaluation = read_evaluation(folder)
    if not evaluation.slices:
        raise ValueError(f"{EVALUATION_FILE} has no slice")
    return evaluation


class _Reader:
    """Reads artifacts and notes those that it could not."""

    def __init__(self, run: RunRecord):
        """Notes which artifacts are gone. One on another file system than this machine's is not looked for."""
        self._run = run
        self.missing = [
            Missing(f"{name}.{key}", output.uri, GONE)
            for name, record in run.done.items()
            for key, output in record.outputs.items()
            if os.path.isabs(output.uri) and not os.path.exists(output.uri)
        ]

    def evaluation(self) -> Evaluation | None:
        """Returns what the Evaluator found; None if there is nothing."""
        folder = self._folder(EVALUATOR, "evaluation")
        if folder and not os.path.exists(path := os.path.join(folder, EVALUATION_FILE)):
            self.missing.append(Missing(f"{EVALUATOR}.evaluation", path, GONE))
            return None
        return self.folder(EVALUATOR, "evaluation", _read_evaluation, None)

    def json(self, component: str, output: str, name: str, nothing: _C, keys: frozenset[str] = frozenset()) -> _C:
        """Returns what a JSON file has, `nothing` if there is none; the file must have `keys`."""

        def read(folder: str) -> _C:
            path = os.path.join(folder, name)
            if not os.path.exists(path):
                return nothing
            with open(path, encoding="utf-8") as file:
                found: _C = json.load(file)
            if not isinstance(found, type(nothing)) or any(key not in found for key in keys):
                raise ValueError(f"{name} does not hold what it should")
            return found

        return self.folder(component, output, read, nothing)

    def folder(self, component: str, output: str, read: Callable[[str], _T], nothing: _T) -> _T:
        """Returns what `read` makes of an artifact's folder, `nothing` if there is none."""
        folder = self._folder(component, output)
        if not folder:
            return nothing
        try:
            return read(folder)
        except _UNREADABLE as error:
            self.missing.append(Missing(f"{component}.{output}", folder, f"cannot be read: {error}"))
            return nothing

    def _folder(self, component: str, output: str) -> str:
        """Returns the folder of an artifact that is there, otherwise the empty string."""
        record = self._run.done.get(component)
        folder = record.outputs[output].uri if record and output in record.outputs else ""
        return folder if os.path.isabs(folder) and os.path.isdir(folder) else ""
