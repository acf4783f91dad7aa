"""The data components on large tables of pairs, as CSV and as Parquet, and TFX's own on a tenth of the CSV."""

import os
import tempfile

from benchmarks.data import compared, figures_of, rounds
from benchmarks.measuring.figures import Figure
from benchmarks.measuring.processes import Measured
from benchmarks.programs.tables import write_pairs

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
    return [*figures_of(name, measured, measured), compared(f"{name}: all three", measured, measured, _all_three)]


def _beside_peers(folder: str, megabytes: int, workers: int) -> list[Figure]:
    settings = _settings(_write(folder, megabytes, "csv"), workers)
    sides = {side: settings | {"side": side} for side in ("ours", "csv")}
    found = rounds(folder, sides, f"{megabytes:,} MB", 1)
    figures = []
    for side, name in (("ours", "ours"), ("csv", "CsvExampleGen")):
        subject = f"{megabytes:,} MB as CSV: {name}"
        figures += figures_of(subject, found[side], found["ours"])
        figures.append(compared(f"{subject}: all three", found[side], found["ours"], _all_three))
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


def _all_three(one: Measured) -> float:
    """Returns the seconds of all three components together."""
    return sum(float(value) for component, value in one.found.items() if component.endswith(_PARTS))
