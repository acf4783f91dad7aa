"""Medians of repeated measurements, and the table and JSON of a benchmark."""

import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of a benchmark.

    Attributes:
      name: What was measured.
      value: Median over the runs.
      unit: Its unit.
      runs: Every run's value, in order.
      note: What it is to be held against, or why it is missing.
    """

    name: str
    value: float | None
    unit: str
    runs: list[float] = dataclasses.field(default_factory=list)
    note: str = ""


def rate(name: str, unit: str, work: Callable[[], float], runs: int, note: str = "") -> Figure:
    """Measures how much work is done a second.

    Args:
      name: What is measured.
      unit: What of, such as `characters/s`.
      work: Does it once and returns how much it was; called once more at first, to warm up.
      runs: How often.
      note: What the figure is to be held against.
    """
    work()
    rates = []
    for _ in range(runs):
        begin = time.perf_counter()
        amount = work()
        rates.append(amount / (time.perf_counter() - begin))
    return Figure(name, statistics.median(rates), unit, rates, note)


def machine() -> dict[str, Any]:
    """Returns what the figures were measured on."""
    return {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def to_table(figures: list[Figure]) -> str:
    """Returns figures as lines of text, the names under each other."""
    width = max(len(figure.name) for figure in figures)
    lines = []
    for figure in figures:
        value = "" if figure.value is None else f"{figure.value:14,.1f} {figure.unit}"
        lines.append(f"{figure.name:{width}} {value:32} {figure.note}".rstrip())
    return "\n".join(lines)
