"""The report of a run: one HTML page that needs nothing else."""

import base64
import dataclasses
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import jinja2

from components.evaluator.results import Evaluation, Slice
from components.evaluator.settings import GateSettings, TextGateSettings
from components.example_gen.executor import SUMMARY_PROPERTY
from components.ngram.component import FILE_NAME as NGRAM_FILE
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
        gate=describe_gate(config.gate),
        evaluation=evaluation,
        gap=largest_gap(evaluation) if evaluation and "exact_match" in evaluation.metrics else "",
        ngram=read_ngram(records),
        data=_read_data(records),
        pictures={title: _data_uri(os.path.join(run_files, name)) for name, title in _PICTURES.items()}
        if run_files
        else {},
        predictions=_read_run_file(run_files, "predictions.txt"),
        samples=_last_samples(_read_run_file(run_files, "samples.json")),
    )
    os.makedirs(os.path.dirname(result.report), exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=os.path.dirname(result.report), suffix=".part")
    with os.fdopen(descriptor, "w") as file:
        file.write(page)
    os.replace(aside, result.report)


def describe_gate(gate: GateSettings | TextGateSettings) -> str:
    """Returns in words what a candidate has to reach."""
    if isinstance(gate, TextGateSettings):
        return (
            f"At most {gate.bits_per_character:g} bits per character of the unseen text, and at most {gate.largest_rise:g} "
            "more than the version being served needs."
        )
    return (
        f"At least {gate.exact_match:.2%} of whole answers must be right, and at most {100 * gate.largest_drop:.2f} points "
        "fewer than by the version being served."
    )


def read_ngram(records: dict[str, ComponentRecord]) -> dict[str, Any] | None:
    """Returns what the n-gram model made of the same text; None where there was none."""
    if "NgramModel" not in records:
        return None
    return dict(json.loads(_read(os.path.join(records["NgramModel"].outputs["ngram"].uri, NGRAM_FILE))))


def _read_data(records: dict[str, ComponentRecord]) -> dict[str, Any]:
    """Returns what TextExampleGen says of its corpus; empty for other data."""
    if "TextExampleGen" not in records:
        return {}
    return dict(json.loads(records["TextExampleGen"].outputs["examples"].properties[SUMMARY_PROPERTY]))


def _last_samples(samples: str) -> list[dict[str, Any]]:
    """Returns the texts that were written after the last epoch."""
    written = json.loads(samples) if samples else []
    return [sample for sample in written if sample["epoch"] == written[-1]["epoch"]]


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


def _read_run_file(run_files: str, name: str) -> str:
    """Returns a file of the training, the empty string if it left none of that name."""
    path = os.path.join(run_files, name)
    return _read(path).decode() if run_files and os.path.exists(path) else ""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _data_uri(path: str) -> str:
    return "data:image/png;base64," + base64.b64encode(_read(path)).decode()
