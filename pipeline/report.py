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
    """Returns in words which slice lies furthest below all examples together, and what that means in examples."""
    overall, slices = evaluation.slices[0], evaluation.slices[1:]
    if not slices:
        return "No slices were asked for."
    worst = min(slices, key=lambda s: s.metrics["exact_match"])
    share = worst.metrics["exact_match"]
    if share >= overall.metrics["exact_match"]:
        return "No slice lies below the whole."
    return (
        f"The largest gap is at {worst.feature} {worst.value}: {count_right(worst):,} of {worst.examples:,} right "
        f"({share:.2%}), against {overall.metrics['exact_match']:.2%} of all. It holds {worst.examples / overall.examples:.1%} "
        f"of the unseen examples and {worst.examples - count_right(worst):,} of their "
        f"{overall.examples - count_right(overall):,} mistakes."
    )


def count_right(part: Slice) -> int:
    """Returns how many of a slice's examples have the whole answer right."""
    return round(part.metrics["exact_match"] * part.examples)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _data_uri(path: str) -> str:
    return "data:image/png;base64," + base64.b64encode(_read(path)).decode()
