"""A picture of a load test: latency, throughput and failures over its time, and the percentiles of the latency."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charseq_client.arrays import Array
from serving.load_test.samples import LoadSamples

FORMATS = (".png", ".svg")

_MAX_SLICES = 100
_LEAST_SLICE_S = 0.1
_PERCENTILES = (50, 75, 90, 95, 99, 99.5, 99.9, 99.99)


def save_plot(samples: Sequence[LoadSamples], path: Path, title: str) -> None:
    """Draws the load tests of some numbers of callers.

    Args:
      samples: What was measured, one for each number of callers.
      path: The file; its name ends in one of :data:`FORMATS`.
      title: What was loaded.
    """
    # Here, since it takes longer to import than all the rest, and most load tests draw nothing.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 8), layout="constrained")
    figure.suptitle(f"Load test: {title}")
    (latency, percentiles), (throughput, failures) = figure.subplots(2, 2, width_ratios=(3, 2))
    for number, sample in enumerate(samples):
        color = f"C{number % 10}"
        name = f"{sample.callers} caller{'s' if sample.callers > 1 else ''}"
        edges = _slices(sample.seconds)
        middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
        finished, milliseconds = np.asarray(sample.finished), np.asarray(sample.latencies) * 1000
        halves = _by_slice(finished, milliseconds, edges, 50)
        latency.plot(middles, halves, color=color, label=f"{name}, median")
        most = _by_slice(finished, milliseconds, edges, 99)
        latency.plot(middles, most, color=color, linestyle=":", label=f"{name}, 99th percentile")
        answered = np.histogram(finished, edges)[0] / width
        throughput.plot(middles, answered, color=color, label=f"{name}: {len(finished) / sample.seconds:,.0f} a second")
        # A percentile of fewer requests than it leaves out would be the slowest one.
        shares = [share for share in _PERCENTILES if len(finished) * (100 - share) >= 100]
        if shares:
            values = np.percentile(milliseconds, shares)
            positions = [_PERCENTILES.index(share) for share in shares]
            percentiles.plot(positions, values, "o-", color=color, markersize=4, label=name)
        for code, times in sorted(sample.errors.items()):
            # Those that end after the time is up count for its last moment.
            count = np.histogram(np.clip(times, 0, sample.seconds), edges)[0] / width
            failures.plot(middles, count, color=color, label=f"{name}: {len(times):,} {code}")
    percentiles.set_xticks(range(len(_PERCENTILES)), [f"{share}%" for share in _PERCENTILES])
    _finish(latency, "Latency over time", "seconds", "milliseconds", log=True)
    _finish(percentiles, "Percentiles of the latency", "requests that took at most", "milliseconds", log=True)
    _finish(throughput, "Throughput over time", "seconds", "answers a second")
    _finish(failures, "Failures over time", "seconds", "failures a second")
    with rc_context({"svg.fonttype": "none"}):  # text as text, which can be searched
        figure.savefig(path)


def _slices(seconds: float) -> Array:
    """Returns where the slices of time begin and end that are drawn as one point each."""
    count = min(max(int(seconds / _LEAST_SLICE_S), 1), _MAX_SLICES)
    return np.linspace(0.0, seconds, count + 1)


def _by_slice(finished: Array, values: Array, edges: Array, percent: float) -> list[float]:
    """Returns a percentile of the values of each slice of time; NaN, which is a gap in the line, where there are none."""
    slices = np.digitize(finished, edges[1:-1])
    order = np.argsort(slices, kind="stable")
    groups = np.split(values[order], np.searchsorted(slices[order], np.arange(1, len(edges) - 1)))
    return [float(np.percentile(group, percent)) if len(group) else np.nan for group in groups]


def _finish(axes: Any, title: str, x: str, y: str, *, log: bool = False) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    if not axes.lines:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color="gray")
        return
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
