"""Records of runs made by hand, with the artifacts that a report reads."""

import json
from pathlib import Path

from pipeline.lineage import ComponentRecord, Output, RunRecord

METRICS = {
    "exact_match": 0.75,
    "exact_match_low": 0.30064,
    "exact_match_high": 0.95441,
    "error_rate": 0.25,
    "error_rate_low": 0.05,
    "error_rate_high": 0.45,
}
FLOOR = {"name": "the commonest answer, 'אבג'", "metrics": {"exact_match": 0.25, "error_rate": 0.9}}
NOTE = "the difference is within the noise of 0.0314"
CHECKS = [
    {"kind": "change", "metric": "exact_match", "setting": "gate.largest_drop", "bound": -0.005, "least": True}
    | {"value": 0.01, "passed": True, "note": NOTE},
    {"kind": "floor", "metric": "exact_match", "setting": "gate.beat_floor", "bound": 0.25, "least": True}
    | {"value": 0.75, "passed": True, "note": FLOOR["name"]},
]
MISTAKE = {
    "expression": "asked",
    "answer": "kitten",
    "others": ["mittens", "cat"],
    "text": "sittin",
    "edits": 2.0,
    "log_prob": -3.0,
}
SUMMARY = {
    "files": 2,
    "file_names": ["a.csv", "b.csv"],
    "hidden": ["/data/.hidden.csv"],
    "others": [],
    "rows": 1_234,
    "inputs": 1_200,
    "duplicates": 1,
    "several_answers": 23,
    "kept_out": 4,
    "empty_lines": 5,
    "skipped": 101,
    "skipped_rows": [{"file": "/data/a.csv", "line": line, "reason": "column target: empty"} for line in range(100)],
}


def answers_run(
    folder: Path, number=1, mistakes=(MISTAKE,), summary=SUMMARY, data=None, predictions=(), unsayable=None
):
    """A blessed run of pairs whose artifacts lie in `folder`, as the local runner lays them out."""
    results = {"blessed": True, "reasons": [], "checks": CHECKS, "floors": [FLOOR], "baseline": {"exact_match": 0.74}}
    results["mistakes"] = {"worst": list(mistakes), "confusion": [[0, "n", "n", 3]]}
    if unsayable is not None:
        results["mistakes"]["unsayable"] = unsayable
    results["slices"] = [{"feature": "", "value": "", "examples": 4, "metrics": METRICS}]
    # Without epochs there are no curves, which take long to draw.
    history = {
        "epochs": [],
        "seconds": 12.0,
        "parameters": 7,
        "model": "m",
        "layers": [],
    }
    (folder / "PairsExampleGen" / "examples").mkdir(parents=True)
    files = {
        "Evaluator/evaluation/results.json": results,
        "Trainer/model_run/history.json": history,
        "Trainer/model_run/predictions.json": list(predictions),
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    examples = Output(
        str(folder / "PairsExampleGen" / "examples"),
        {"summary": json.dumps(summary), "examples": '{"train": 1230, "test": 4}'},
    )
    outputs = {
        "PairsExampleGen": {"examples": examples},
        "Trainer": {"model_run": Output(str(folder / "Trainer" / "model_run"), {})},
        "Evaluator": {"evaluation": Output(str(folder / "Evaluator" / "evaluation"), {"metrics": json.dumps(METRICS)})},
        "Pusher": {"pushed_model": Output(str(folder / "Trainer"), {"pushed_version": 5})},
    }
    components = {name: ComponentRecord("done", 1.0, 2.0, made) for name, made in outputs.items()}
    settings = {"architecture": "seq2seq"}
    config = {"task": "pairs", "family": "pairs", "data": data or {}, "train": settings}
    return RunRecord(number, f"run-{number}", "pairs", 0.0, components, {"config": config})
