"""The sections of a report on forecasts: the forecasts of the test, and the errors by step; and words about the data."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import markupsafe

from components.trainer.pictures import to_svg
from data.series.reading import Repairs
from pipeline.families.family import Section
from pipeline.families.series.pictures import draw_forecasts, draw_steps
from pipeline.report.render import render

if TYPE_CHECKING:
    from pipeline.report.contents import Contents

_HERE = os.path.dirname(os.path.abspath(__file__))

# Panels of a picture.
_SHOWN = 6

# A section says so many names or reasons.
_NAMED = 10


def series_sections(contents: "Contents") -> list[Section]:
    """Returns the sections that a run has got to."""
    if contents.evaluation is None:
        return []
    found = contents.evaluation.mistakes
    forecasts, steps = found.get("forecasts", {"series": {}, "worst": []}), found.get("steps")
    several = len(forecasts["series"]) > 1
    pictures = [
        (name, _svg(draw_forecasts(_spread(shown), named=False)), len(shown))
        for name, shown in forecasts["series"].items()
    ]
    worst = _svg(draw_forecasts(forecasts["worst"][:_SHOWN], named=True)) if several else ""
    html = render(os.path.join(_HERE, "forecasts.html.jinja"), pictures=pictures, worst=worst, shown=_SHOWN)
    sections = [Section("forecasts", "Forecasts of the test", html)]
    if steps and steps["coverage"]:
        interval = float(contents.run.config.get("train", {}).get("interval", 0.8))
        picture = _svg(draw_steps(steps, interval))
        rows = list(zip(steps["mase"], steps["mean_absolute_error"], steps["coverage"], strict=True))
        html = render(os.path.join(_HERE, "steps.html.jinja"), picture_svg=picture, rows=rows)
        sections.append(Section("steps", "Errors by step", html))
    return sections


def describe_series(summary: Mapping[str, Any]) -> str:
    """Returns the markup for the summary that ExampleGen notes of series, see `SeriesPlan.summarize`."""
    if "series" not in summary:
        return ""
    return render(
        os.path.join(_HERE, "data.html.jinja"),
        sentences=list(_sentences(summary)),
        left_out=summary.get("left_out", {}),
    )


def _svg(figure: Any) -> markupsafe.Markup:
    return markupsafe.Markup(to_svg(figure))


def _spread(forecasts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns some of the forecasts, evenly spread, the first and the last among them."""
    count = min(_SHOWN, len(forecasts))
    return [forecasts[round(index * (len(forecasts) - 1) / max(1, count - 1))] for index in range(count)]


def _sentences(summary: Mapping[str, Any]) -> Iterator[str]:
    names = ", ".join(summary["file_names"][:_NAMED])
    yield f"{_count(summary['rows'], 'row')} of {_count(summary['files'], 'file')}: {names}."
    lengths = f"{summary['shortest']:,} to {summary['longest']:,} values each"
    if summary["shortest"] == summary["longest"]:
        lengths = f"{_count(summary['shortest'], 'value')}{' each' if summary['series'] > 1 else ''}"
    yield f"{summary['series']:,} series of {lengths}, one every {summary['frequency']}."
    season = f"a season has {summary['season']} steps" if summary["season"] > 1 else "there is no season"
    yield (
        f"A forecast reads {summary['context']:,} steps and gives the next {summary['horizon']:,}; {season}. The last "
        f"{summary['test_length']:,} steps of each series are the test, the {summary['validation_length']:,} before them the "
        "validation; what a window forecasts is of one split."
    )
    windows = summary["windows"]
    yield "Windows: " + ", ".join(f"{count:,} of {split}" for split, count in windows.items()) + "."
    repairs = {field.name: summary.get(field.name, 0) for field in dataclasses.fields(Repairs)}
    yield from (f"{sentence}." for sentence in Repairs(**repairs).describe())
    for key, one, many in (
        ("empty_lines", "empty line was left out", "empty lines were left out"),
        ("skipped", "row could not be used and was left out", "rows could not be used and were left out"),
    ):
        if number := summary.get(key, 0):
            yield f"{number:,} {one if number == 1 else many}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
