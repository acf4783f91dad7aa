"""Medians of repeated measurements, and the table and JSON of a benchmark."""

import dataclasses
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from serving.contract.processors import count_processors


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


def timed(work: Callable[[], float]) -> Callable[[], float]:
    """Returns what does `work` once, which returns how much it was, and returns how much a second."""

    def measured() -> float:
        begin = time.perf_counter()
        amount = work()
        return amount / (time.perf_counter() - begin)

    return measured


def compare(
    subject: str, sides: Mapping[str, Callable[[], float]], unit: str, runs: int, missing: Mapping[str, str]
) -> list[Figure]:
    """Measures the sides of a comparison alternately, so that other work on the machine slows all of them in the same way.

    Args:
      subject: What is compared; a figure's name is that, a colon and its side.
      sides: What measures a side once and returns its figure; each is called once more at first, to warm up. The first is
        ours: the others' notes say how many times theirs it is, as the ratio of the two medians.
      unit: Unit of the figures, of which more is better.
      runs: Rounds.
      missing: Sides that cannot be measured, and why not.
    """
    for side in sides.values():
        side()
    rounds = [[side() for side in sides.values()] for _ in range(runs)]
    ours = statistics.median(values[0] for values in rounds)
    figures = []
    for index, name in enumerate(sides):
        found = [values[index] for values in rounds]
        median = statistics.median(found)
        note = f"ours is {ours / median:.2f} times this" if index else ""
        figures.append(Figure(f"{subject}: {name}", median, unit, found, note))
    return figures + [Figure(f"{subject}: {name}", None, "", note=reason) for name, reason in missing.items()]


def machine() -> dict[str, Any]:
    """Returns what the figures were measured on."""
    packages = ("tensorflow", "keras", "tfx", "apache-beam")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": count_processors(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "versions": {
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in packages},
        },
    }


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
