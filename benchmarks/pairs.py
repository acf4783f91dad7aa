"""The data components on large tables of pairs, as CSV and as Parquet, and TFX's own on a tenth of the CSV."""

import dataclasses
import os
import statistics
import tempfile

from benchmarks.data import figures_of, rounds
from benchmarks.measure import Figure
from benchmarks.processes import Measured
from benchmarks.tables import write_pairs

# What TFX's own components take part in: with all of it they would need most of an hour.
_PEERS_SHARE = 10

# The formats of the table, by the ending of its file.
_NAMES = {"csv": "CSV", "parquet": "Parquet"}

_PARTS = ("ExampleGen", "StatisticsGen", "Transform")


def measure(megabytes: int, peers: bool, workers: int, folder: str) -> list[Figure]:
    """Measures the components up to Transform once for each table, in a process of its own each time.

    Args:
      megabytes: Size of the table as CSV, in MiB.
      peers: Whether TFX's own components read a tenth of the CSV, as ours then do as well.
      workers: Processes of Beam; the same for all sides.
      folder: Where the tables and what the components write may lie, some five times their size; empty: the system's folder of
        temporary files. Nothing is left there.
    """
    figures = []
    with tempfile.TemporaryDirectory(dir=folder or None) as own:
        tenth = max(1, megabytes // _PEERS_SHARE)
        if peers:
            figures += _beside_peers(own, tenth, workers)
        for ending in _NAMES:
            figures += _whole(own, megabytes, ending, workers)
    return figures


def _whole(folder: str, megabytes: int, ending: str, workers: int) -> list[Figure]:
    name = f"{megabytes:,} MB as {_NAMES[ending]}"
    settings = _settings(_write(folder, megabytes, ending), workers)
    measured = rounds(folder, {"ours": settings}, name, 1)["ours"]
    os.remove(str(settings["path"]))
    return [*figures_of(name, measured, measured), _all(name, measured)]


def _beside_peers(folder: str, megabytes: int, workers: int) -> list[Figure]:
    settings = _settings(_write(folder, megabytes, "csv"), workers)
    sides = {side: settings | {"side": side} for side in ("ours", "csv")}
    found = rounds(folder, sides, f"{megabytes:,} MB", 1)
    figures = []
    for side, name in (("ours", "ours"), ("csv", "CsvExampleGen")):
        subject = f"{megabytes:,} MB as CSV: {name}"
        figures += figures_of(subject, found[side], found["ours"])
        figures.append(_all(subject, found[side], found["ours"]))
    return figures


def _write(folder: str, megabytes: int, ending: str) -> str:
    """Writes a table into a folder of its own, for CsvExampleGen takes folders, and returns its path."""
    path = os.path.join(folder, f"{ending}-{megabytes}", f"pairs.{ending}")
    os.mkdir(os.path.dirname(path))
    write_pairs(path, megabytes)
    return path


def _settings(path: str, workers: int) -> dict[str, object]:
    data = {"files": path, "input": "expression", "target": "answer"}
    return {
        "task": "pairs",
        "side": "ours",
        "data": data,
        "workers": workers,
        "csv": os.path.dirname(path),
        "path": path,
        "floor": False,  # no component up to Transform waits for it, and the peers have nothing like it
    }


def _all(subject: str, measured: list[Measured], ours: list[Measured] | None = None) -> Figure:
    """Returns the seconds of all three components together, and how many times ours these are."""

    def seconds(one: Measured) -> float:
        return sum(float(value) for component, value in one.found.items() if component.endswith(_PARTS))

    values = [seconds(one) for one in measured]
    figure = Figure(f"{subject}: all three", statistics.median(values), "s", values)
    if ours is None or ours is measured:
        return figure
    ratio = statistics.median(values) / statistics.median(map(seconds, ours))
    return dataclasses.replace(figure, note=f"{ratio:.1f} times ours")
