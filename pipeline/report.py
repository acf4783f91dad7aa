"""The report of a run: one HTML page that needs nothing else."""

import base64
import dataclasses
import json
import os
import tempfile
from typing import TYPE_CHECKING

import jinja2

from components.evaluator.results import Evaluation, Slice
from pipeline.config import Config
from pipeline.lineage import ComponentRecord

if TYPE_CHECKING:
    from pipeline.run import RunResult

# A share of fewer examples says little.
_FEWEST_EXAMPLES = 20

_PICTURES = {"curves.png": "Loss and accuracy over the epochs", "model.png": "The model, from input to output"}


def write_report(
    result: "RunResult", config: Config, evaluation: Evaluation | None, records: dict[str, ComponentRecord]
) -> None:
    """Writes the page to `result.report`, aside and then under its name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(__file__)), autoescape=True, undefined=jinja2.StrictUndefined
    )
    run_files = records["Trainer"].outputs["model_run"].uri if "Trainer" in records else ""
    page = environment.get_template("report.html.jinja").render(
        result=result,
        settings=json.dumps(dataclasses.asdict(config), indent=1),
        gate=config.gate,
        evaluation=evaluation,
        gap=largest_gap(evaluation) if evaluation else "",
        pictures={title: _data_uri(os.path.join(run_files, name)) for name, title in _PICTURES.items()}
        if run_files
        else {},
        predictions=_read(os.path.join(run_files, "predictions.txt")).decode() if run_files else "",
    )
    os.makedirs(os.path.dirname(result.report), exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=os.path.dirname(result.report), suffix=".part")
    with os.fdopen(descriptor, "w") as file:
        file.write(page)
    os.replace(aside, result.report)


def largest_gap(evaluation: Evaluation) -> str:
    """Returns in words which slice lies furthest below all examples together, and which slice has most of the mistakes."""
    overall = evaluation.slices[0]
    slices = [part for part in evaluation.slices[1:] if part.examples >= _FEWEST_EXAMPLES]
    if not slices:
        return "There is no slice large enough to speak of."
    worst = min(slices, key=lambda part: part.metrics["exact_match"])
    if worst.metrics["exact_match"] >= overall.metrics["exact_match"]:
        return "No slice lies below the whole."
    most = max((part for part in slices if part.feature == worst.feature), key=_count_mistakes)
    return (
        f"The largest gap is at {worst.feature} {worst.value}: {_describe(worst)}, against {_describe(overall)} of all. "
        f"Most mistakes are at {most.feature} {most.value}: {_count_mistakes(most):,} of {_count_mistakes(overall):,}, in "
        f"{most.examples / overall.examples:.1%} of the unseen examples."
    )


def _describe(part: Slice) -> str:
    right = part.examples - _count_mistakes(part)
    return f"{right:,} of {part.examples:,} right ({part.metrics['exact_match']:.2%})"


def _count_mistakes(part: Slice) -> int:
    """Returns how many of a slice's examples have a wrong answer."""
    return round((1 - part.metrics["exact_match"]) * part.examples)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _data_uri(path: str) -> str:
    return "data:image/png;base64," + base64.b64encode(_read(path)).decode()
