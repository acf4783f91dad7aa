"""Makes the pages: what the templates show, and the file that they become."""

import json
from collections.abc import Mapping
from typing import Any

import markupsafe

from components.names import EXAMPLE_VALIDATOR, INFRA_VALIDATOR
from components.settings import SettingsError
from components.trainer.pictures import LayerSummary, draw_curves, draw_diagram, measure_of, to_svg
from pipeline.code_version import describe_code
from pipeline.config.task_files import dump_config, load_task
from pipeline.families import family_of
from pipeline.lineage import RunRecord
from pipeline.places import Places
from pipeline.report import words
from pipeline.report.contents import Contents, read_contents
from pipeline.report.figures import all_figures, describe_interval, figure_table, model_metrics, read_figures
from pipeline.report.files import Written, comparison_path, write_page
from pipeline.report.render import render_page

# Epochs that the table of the curves shows.
_EPOCHS = 20


# Among the parts of a page: the sections of the run's family, which may not be installed here.
_FAMILY = "family"


def write_report(run: RunRecord, places: Places) -> Written:
    """Writes a run's page; a page of it that is there and shows more is kept.

    Raises:
      OSError: The page cannot be written.
    """
    contents = read_contents(run)
    parts = _parts(contents)
    page = render_page("run.html.jinja", contents=contents, run=run, parts=sorted(parts), **_shown(contents))
    return write_page(places.report_path(run.task, run.run_id), page, parts, contents.missing)


def write_comparison(runs: tuple[RunRecord, RunRecord], places: Places) -> Written:
    """Writes the page of two runs beside each other; a page of them that is there and shows more is kept.

    Raises:
      OSError: The page cannot be written.
    """
    contents = [read_contents(run) for run in runs]
    parts = {f"{c.run.number}:{part}" for c in contents for part in c.parts}
    settings = [_flat(run.config) for run in runs]
    evaluations = [c.evaluation for c in contents]
    slices: dict[tuple[str, str], list[Any]] = {}
    for index, evaluation in enumerate(evaluations):
        for part in evaluation.slices if evaluation else []:
            slices.setdefault((part.feature, part.value), [None, None])[index] = part
    histories = {f"run {c.run.number}": c.history["epochs"] for c in contents if c.history.get("epochs")}
    page = render_page(
        "comparison.html.jinja",
        parts=sorted(parts),
        runs=runs,
        contents=contents,
        codes=[describe_code(run.notes.get("code", {})) for run in runs],
        settings=_differences(settings),
        metrics=_side_by_side([all_figures(c) for c in contents]),
        checks=[_checks(c) for c in contents],
        slices=slices,
        metric=next((name for e in evaluations if e for name in e.metrics), ""),
        curves=_svg(draw_curves(histories)) if histories else "",
        components=_side_by_side([run.components for run in runs]),
    )
    missing = [missing for c in contents for missing in c.missing]
    return write_page(comparison_path(places, (runs[0].number, runs[1].number)), page, parts, missing)


def _parts(contents: Contents) -> set[str]:
    """Returns the names of what a run's page shows."""
    return contents.parts | ({_FAMILY} if family_of(contents.run.config) else set())


def _shown(contents: Contents) -> dict[str, Any]:
    """Returns what the page of a run shows beside the contents themselves."""
    run, history = contents.run, contents.history
    epochs = history.get("epochs", [])
    step = max(1, -(-len(epochs) // _EPOCHS))
    layers = [LayerSummary(**layer) for layer in history.get("layers", [])]
    family = family_of(run.config)
    return {
        "code": describe_code(run.notes.get("code", {})),
        "counts": json.loads(run.examples.get("examples") or "{}"),
        "served": run.notes.get("served", {}),
        "seconds": sum(record.seconds for record in run.components.values()),
        "figures": figure_table(contents),
        "checks": _checks(contents),
        "headlines": family.headlines(contents) if family else (),
        "sections": family.sections(contents) if family else (),
        "data": family.data_section(run.examples) if family else "",
        "curves": _svg(draw_curves({"": epochs})) if epochs else "",
        "measure": measure_of({"": epochs}),
        "epochs": [(n, logs) for n, logs in enumerate(epochs, 1) if n % step == 0 or n in (1, len(epochs))],
        "diagram": _svg(draw_diagram(layers, history["model"])) if layers else "",
        "layers": layers,
        "settings": _changed(run),
    }


def _checks(contents: Contents) -> list[dict[str, Any]]:
    """Returns every bound of the gate, and what else stands between a model and its push: words, values, verdicts."""
    run, checks = contents.run, []
    figures = read_figures(model_metrics(contents))
    rows = contents.evaluation.checks if contents.evaluation else []
    for check in rows:
        verdict = "not checked" if check.passed is None else "passed" if check.passed else "refused"
        checks.append(
            {
                "what": words.describe_check(check),
                "value": words.describe_value(check, describe_interval(figures.get(check.metric))),
                "bound": words.describe_bound(check),
                "setting": words.describe_setting(check),
                "verdict": verdict,
            }
        )
    for component, what, bound in (
        (EXAMPLE_VALIDATOR, "the data against its schema, and its drift", "no anomaly"),
        (INFRA_VALIDATOR, "the candidate in the server's own process", "loads and answers"),
    ):
        record = run.components.get(component)
        reason = run.output_property(INFRA_VALIDATOR, "blessing", "reason") if component == INFRA_VALIDATOR else ""
        passed = record is not None and record.state in ("done", "cached") and not reason
        verdict = "passed" if passed else "refused" if record else "not reached"
        row = {"what": f"{component}: {what}", "value": "", "bound": bound, "setting": "", "verdict": verdict}
        checks.insert(0, row) if component == EXAMPLE_VALIDATOR else checks.append(row)
    return checks


def _changed(run: RunRecord) -> list[tuple[str, Any, Any]]:
    """Returns every setting with its value, and the task's own value where that is another one."""
    try:
        task = _flat(json.loads(dump_config(load_task(run.task))))
    except SettingsError:  # a user's own task, one that this version does not know, or one that has to be completed
        task = {}
    return [(name, value, task.get(name, value)) for name, value in _flat(run.config).items()]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `section.field` and values, as --set names them."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{field}": inner for field, inner in value.items()}
    return flat


def _differences(settings: list[dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Returns the settings whose values differ."""
    return {name: values for name, values in _side_by_side(settings).items() if values[0] != values[1]}


def _side_by_side(sides: list[dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Returns what both sides have under every name, None where one has nothing."""
    return {name: (sides[0].get(name), sides[1].get(name)) for name in {**sides[0], **sides[1]}}


def _svg(figure: Any) -> markupsafe.Markup:
    # Matplotlib escapes the text in it; there is none of a user's.
    return markupsafe.Markup(to_svg(figure))
