"""Figures with their intervals, and a model's beside those of the version served before and of what it must beat."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.report import words

if TYPE_CHECKING:
    from pipeline.report.contents import Contents

_LOW, _HIGH = "_low", "_high"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
      value: Its value.
      low: Lower end of its 95% interval; None if it has none.
      high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


def read_figures(metrics: Mapping[str, float]) -> dict[str, Figure]:
    """Returns figures by name, in order; the ends of an interval (`_low`, `_high`) go to the figure that they are of."""
    ends = {name + end for name in metrics for end in (_LOW, _HIGH) if {name + _LOW, name + _HIGH} <= metrics.keys()}
    return {
        name: Figure(value, metrics.get(name + _LOW), metrics.get(name + _HIGH))
        if name + _LOW in ends
        else Figure(value)
        for name, value in metrics.items()
        if name not in ends
    }


def describe_interval(figure: Figure | None, show: Callable[[float], str] = words.number) -> str:
    """Returns an interval in words, such as "0.905 to 0.919"; empty if there is none.

    Args:
      figure: The figure; None if there is none.
      show: What makes words of a number.
    """
    if figure is None or figure.low is None or figure.high is None or not math.isfinite(figure.low + figure.high):
        return ""
    return f"{show(figure.low)} to {show(figure.high)}"


def describe_figure(figure: Figure | None, show: Callable[[float], str] = words.number) -> str:
    """Returns a figure with its interval, such as "0.912 (0.905 to 0.919)"; empty if there is none."""
    if figure is None:
        return ""
    interval = describe_interval(figure, show)
    return f"{show(figure.value)} ({interval})" if interval else show(figure.value)


def describe_headline(
    name: str, metrics: Mapping[str, float], baseline: Mapping[str, float] | None, show: Callable[[float], str]
) -> tuple[str, str]:
    """Returns a figure, and what belongs to it in smaller letters: its interval, and the served version's figure.

    Args:
      name: The figure's name.
      metrics: The model's.
      baseline: The served version's; None if none was served.
      show: What makes words of a number.
    """
    figure, served = read_figures(metrics)[name], (baseline or {}).get(name)
    interval = describe_interval(figure, show)
    notes = [f"95% interval {interval}"] if interval else []
    notes += [f"served before: {show(served)}"] if served is not None else []
    return show(figure.value), "; ".join(notes)


@dataclasses.dataclass(frozen=True)
class FigureTable:
    """What a report's table of figures shows.

    Attributes:
      columns: Whose figures: the model's first.
      rows: A figure's name in words, and its value in every column, empty where there is none.
    """

    columns: list[str]
    rows: list[tuple[str, list[str]]]


def figure_table(contents: "Contents") -> FigureTable:
    """Returns the figures of a run beside those of the version served before and of the floors.

    Without the Evaluator's artifact they are those of ML Metadata, which has the model's alone.
    """
    evaluation, version = contents.evaluation, contents.run.baseline_version
    columns: list[tuple[str, Mapping[str, float]]] = [("this model", model_metrics(contents))]
    if evaluation and evaluation.baseline:
        columns.append((f"version {version}, served before" if version else "served before", evaluation.baseline))
    columns += [(floor.name, floor.metrics) for floor in (evaluation.floors if evaluation else [])]
    figures = [read_figures(metrics) for _, metrics in columns]
    names = dict.fromkeys(name for side in figures for name in side)
    rows = [(name.replace("_", " "), [describe_figure(side.get(name)) for side in figures]) for name in names]
    empty = [""] * (len(columns) - 1)
    rows += [(name, [words.number(value), *empty]) for name, value in training_figures(contents).items()]
    return FigureTable([name for name, _ in columns], rows)


def all_figures(contents: "Contents") -> dict[str, Figure]:
    """Returns every figure of a run by its name in words, for a table of two runs."""
    figures = {name.replace("_", " "): figure for name, figure in read_figures(model_metrics(contents)).items()}
    for floor in contents.evaluation.floors if contents.evaluation else []:
        figures |= {
            f"{name.replace('_', ' ')} of {floor.name}": figure for name, figure in read_figures(floor.metrics).items()
        }
    return figures | {name: Figure(value) for name, value in training_figures(contents).items()}


def model_metrics(contents: "Contents") -> Mapping[str, float]:
    """Returns the model's metrics on the test examples: the Evaluator's, or as many as ML Metadata has of them."""
    return contents.evaluation.metrics if contents.evaluation else contents.run.metrics


def training_figures(contents: "Contents") -> dict[str, Any]:
    """Returns how many examples judged the model, and what its training took, as far as it is known."""
    evaluation, history = contents.evaluation, contents.history
    figures: dict[str, Any] = {"test examples": evaluation.slices[0].examples} if evaluation else {}
    if history:
        figures |= {"parameters": history["parameters"], "epochs": len(history["epochs"])}
        figures["seconds of training"] = history["seconds"]
    return figures
