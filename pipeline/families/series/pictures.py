"""Pictures of forecasts: what was known, what came, what was forecast with its interval; and the errors by step."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.axes
import matplotlib.figure
import numpy as np

# Told apart by people who see no red or green, and strong enough on white and on black.
_KNOWN, _FORECAST = "#2f7fc1", "#d9660a"
_GREY = "#888888"

_COLUMNS = 3


def draw_forecasts(forecasts: Sequence[Mapping[str, Any]], named: bool) -> matplotlib.figure.Figure:
    """Draws forecasts, each in a panel of its own.

    Args:
      forecasts: Each with `series`, `origin`, `history`, `forecast`, `lower`, `upper`; and with
        `target` and `mase` if it is known what came.
      named: Whether a panel's title has the name of the series.
    """
    columns = min(_COLUMNS, len(forecasts))
    rows = -(-len(forecasts) // columns)
    figure = matplotlib.figure.Figure(figsize=(3.6 * columns + 0.4, 2.4 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, forecast in zip(panels, forecasts, strict=False):
        _draw_forecast(axes, forecast)
        name = f"{forecast['series']}, " if named and forecast["series"] else ""
        error = f": MASE {forecast['mase']:.2f}" if "mase" in forecast else ""
        axes.set_title(f"{name}after {forecast['origin']}{error}", fontsize=9)
    for axes in panels[len(forecasts) :]:
        axes.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_forecast(axes: matplotlib.axes.Axes, forecast: Mapping[str, Any]) -> None:
    horizon = len(forecast["forecast"])
    history = forecast["history"][-max(2 * horizon, 12) :]
    past, ahead = np.arange(1 - len(history), 1), np.arange(1, horizon + 1)
    # The lines begin at the last value that was known.
    axes.plot(past, history, color=_KNOWN, linewidth=1.2, label="known")
    if "target" in forecast:
        came = [history[-1], *forecast["target"]]
        axes.plot([0, *ahead], came, color=_KNOWN, linewidth=1.2, linestyle=":", label="what came")
    axes.plot([0, *ahead], [history[-1], *forecast["forecast"]], color=_FORECAST, linewidth=1.4, label="forecast")
    axes.fill_between(
        ahead, forecast["lower"], forecast["upper"], color=_FORECAST, alpha=0.25, linewidth=0, label="interval"
    )
    axes.axvline(0, color=_GREY, linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", integer=True)
    axes.grid(color=_GREY, alpha=0.3)


def draw_steps(steps: Mapping[str, Sequence[float]], interval: float) -> matplotlib.figure.Figure:
    """Draws error and coverage at each step of the horizon.

    Args:
      steps: `mean_absolute_error` and `coverage`, a value a step.
      interval: Share of the values that should lie in the interval.
    """
    figure = matplotlib.figure.Figure(figsize=(10, 3), layout="constrained")
    errors, coverage = figure.subplots(1, 2)
    ahead = np.arange(1, len(steps["coverage"]) + 1)
    errors.bar(ahead, steps["mean_absolute_error"], color=_FORECAST)
    errors.set(title="mean absolute error", xlabel="steps ahead")
    coverage.bar(ahead, steps["coverage"], color=_KNOWN)
    coverage.axhline(interval, color=_FORECAST, linewidth=1.2, linestyle="--")
    coverage.set(
        title=f"share of the values in the interval; {interval:.0%} is meant", xlabel="steps ahead", ylim=(0, 1)
    )
    for axes in (errors, coverage):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(color=_GREY, alpha=0.3, axis="y")
    return figure
