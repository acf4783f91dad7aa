"""The data components: ours beside TFX's own on the same rows, their time, and the memory of all their processes."""

import dataclasses
import json
import logging
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence

from benchmarks.measuring.figures import Figure
from benchmarks.measuring.processes import Measured, run_measured
from components.example_gen.settings import SumsData
from components.example_gen.sums import generate_terms, to_record_batch
from data.catalogue import PYTHON_DOCS, open_corpus
from data.download import cache_path

_LOG = logging.getLogger("charseq.bench")

# With more examples the row-at-a-time peers take half an hour and longer.
MOST_BY_PEERS = 1_000_000

# A large text is this many copies of a book, or as much of Python's reference text where the book is not at hand.
TEXT_COPIES = 100

_SIDES = {
    "ours": "ours",
    "stock": "a stock row-at-a-time executor",
    "csv": "CsvExampleGen",
}


def measure(sums: Sequence[int], text: bool, workers: int, runs: int) -> list[Figure]:
    """Measures the components up to Transform, in a process of its own each time, the sides alternately.

    Args:
      sums: Numbers of examples. Up to a million, TFX's own components do the same.
      text: Whether to measure a large text as well.
      workers: Processes of Beam; the same for all sides.
      runs: Rounds; the median counts.
    """
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for count in sums:
            sides = list(_SIDES) if count <= MOST_BY_PEERS else ["ours"]
            path = os.path.join(folder, f"{count}")
            if len(sides) > 1:
                _write_csv(SumsData(count=count), path)
            settings = {"task": "sums-lstm", "data": {"count": count}, "workers": workers, "csv": path}
            found = rounds(folder, {side: settings | {"side": side} for side in sides}, f"{count:,} sums", runs)
            for side, measured in found.items():
                figures += figures_of(f"{count:,} sums: {_SIDES[side]}", measured, found["ours"])
        if text:
            name, path = _write_text(folder)
            settings = {"task": "text", "data": {"corpus": path}, "workers": workers, "side": "ours"}
            measured = rounds(folder, {"ours": settings}, name, runs)["ours"]
            figures += figures_of(name, measured, measured)
    return figures


def rounds(folder: str, sides: dict[str, dict[str, object]], name: str, runs: int) -> dict[str, list[Measured]]:
    """Runs the components up to Transform, the sides alternately.

    Args:
      folder: Where the runs may write; what they have written is removed.
      sides: The settings of `benchmarks.programs.data_run` by side.
      name: What is measured, for the log.
      runs: Rounds.
    """
    found: dict[str, list[Measured]] = {side: [] for side in sides}
    for number in range(1, runs + 1):
        for side, settings in sides.items():
            with tempfile.TemporaryDirectory(dir=folder) as root:
                arguments = ["-m", "benchmarks.programs.data_run", json.dumps(settings | {"folder": root})]
                measured = run_measured(arguments)
            _LOG.info("%s: %s, run %d of %d: %.1f s", name, _SIDES.get(side, side), number, runs, measured.seconds)
            found[side].append(measured)
    return found


def figures_of(name: str, measured: list[Measured], ours: list[Measured]) -> list[Figure]:
    """Returns seconds of each component, of ExampleGen and Transform together, and memory."""
    figures = []
    for part in ("ExampleGen", "StatisticsGen", "Transform"):
        figures.append(_figure(f"{name}: {part}", "s", [_seconds(one, part) for one in measured]))
    both = compared(f"{name}: ExampleGen and Transform", measured, ours, _both)
    cpu = compared(f"{name}: processor time of the whole run", measured, ours, lambda one: one.cpu_seconds)
    return [*figures, both, cpu, _figure(f"{name}: peak memory", "MB", [one.peak_mb for one in measured])]


def compared(name: str, measured: list[Measured], ours: list[Measured], seconds: Callable[[Measured], float]) -> Figure:
    """Returns the seconds of a side, and how many times ours they are."""
    figure = _figure(name, "s", [seconds(one) for one in measured])
    if measured is ours:
        return figure
    ratio = statistics.median(map(seconds, measured)) / statistics.median(map(seconds, ours))
    return dataclasses.replace(figure, note=f"{ratio:.1f} times ours")


def _figure(name: str, unit: str, values: list[float]) -> Figure:
    return Figure(name, statistics.median(values), unit, values)


def _seconds(measured: Measured, part: str) -> float:
    return sum(float(seconds) for component, seconds in measured.found.items() if component.endswith(part))


def _both(measured: Measured) -> float:
    return _seconds(measured, "ExampleGen") + _seconds(measured, "Transform")


def _write_csv(data: SumsData, folder: str) -> None:
    """Writes the rows as CSV for CsvExampleGen; the answer with an equals sign, or it would become a number."""
    os.mkdir(folder)
    with open(os.path.join(folder, "sums.csv"), "wb") as file:
        file.write(b"expression,answer,digits,carries\n")
        for start in range(0, data.count, data.examples_per_shard):
            stop = min(start + data.examples_per_shard, data.count)
            batch = to_record_batch(generate_terms(data, start, stop))
            columns = [column.flatten().to_pylist() for column in batch.columns]
            file.writelines(b"%b,=%b,%b,%d\n" % row for row in zip(*columns, strict=True))


def _write_text(folder: str) -> tuple[str, str]:
    """Writes many copies of a book into a file and returns the text's name and its path."""
    name = "sherlock" if os.path.exists(cache_path("sherlock")) else PYTHON_DOCS
    path = os.path.join(folder, "text.txt")
    with open_corpus(name) as corpus, open(path, "wb") as file:
        content = corpus.read() + b"\n"
        for _ in range(TEXT_COPIES):
            file.write(content)
    return f"{name} times {TEXT_COPIES}", path
