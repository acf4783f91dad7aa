"""How fast tables are read, and in how much memory: `python -m benchmarks.tables --megabytes 1024 FOLDER`.

It writes the same pairs as CSV (a tenth of the fields quoted), TSV, JSONL and Parquet, and reads each in a process of its own,
in one process and in as many as there are cores.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from data.files import find_files
from data.tables.options import ENDINGS, Column, TableOptions
from data.tables.reading import Part, plan_parts, read_part
from data.tables.report import ReadReport
from data.tables.writing import open_writer

_OPTIONS = TableOptions((Column("input", "input"), Column("target", "target")))
_SCHEMA = pa.schema([("id", pa.string()), ("input", pa.string()), ("target", pa.string())])
_BATCH_ROWS = 100_000
_BYTES_PER_ROW = 44
_DIFFERENT_BATCHES = 10


def make_batches(megabytes: int, seed: int = 1) -> Iterator[pa.RecordBatch]:
    """Yields pairs of words and their reverse, with commas and quotes in a tenth of the words; a million different ones."""
    random = np.random.default_rng(seed)
    rows = megabytes * (1 << 20) // _BYTES_PER_ROW
    made: list[pa.RecordBatch] = []
    alphabet = np.array([ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], np.uint8)
    for start in range(0, rows, _BATCH_ROWS):
        count = min(_BATCH_ROWS, rows - start)
        if len(made) == _DIFFERENT_BATCHES:
            yield made[start // _BATCH_ROWS % len(made)].slice(0, count)
            continue
        letters = alphabet[random.integers(0, len(alphabet), count * 24)].tobytes().decode()
        lengths = random.integers(10, 24, count)
        words = [letters[24 * row : 24 * row + length] for row, length in enumerate(lengths)]
        words = [f'{word[:5]}, "{word[5:]}"' if row % 10 == 0 else word for row, word in enumerate(words)]
        columns = [[str(row) for row in range(start, start + count)], words, [word[::-1] for word in words]]
        made.append(pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], schema=_SCHEMA))
        yield made[-1]


def read(path: str, workers: int) -> dict[str, float]:
    """Returns seconds and rows of reading a table, and the largest memory of a process in MB."""
    start = time.monotonic()
    parts = plan_parts(find_files(path, ENDINGS).files, _OPTIONS)
    planned = time.monotonic() - start
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        began = time.monotonic()
        found = pool.map(_read_part, parts, chunksize=1)
    return {
        "parts": len(parts),
        "plan_seconds": planned,
        "read_seconds": time.monotonic() - began,
        "rows": sum(rows for rows, _ in found),
        "worker_megabytes": max(memory for _, memory in found),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _read_part(part: Part) -> tuple[int, float]:
    report = ReadReport()
    for _ in read_part(part, _OPTIONS, report):
        pass
    return report.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Writes the tables that are not there, reads each, and prints a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--formats", default="csv,tsv,jsonl,parquet")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read, arguments.workers)))
        return
    for ending in arguments.formats.split(","):
        path = os.path.join(arguments.folder, f"pairs-{arguments.megabytes}.{ending}")
        if not os.path.exists(path):
            with open_writer(path, _SCHEMA) as writer:
                for batch in make_batches(arguments.megabytes):
                    writer.write(batch)
        for workers in sorted({1, arguments.workers}):
            command = [sys.executable, "-m", "benchmarks.tables", arguments.folder, "--read", path]
            done = subprocess.run([*command, "--workers", str(workers)], check=True, capture_output=True, text=True)
            measured = json.loads(done.stdout)
            size = os.path.getsize(path) / (1 << 20)
            print(
                json.dumps(
                    {"table": os.path.basename(path), "table_megabytes": round(size), "workers": workers} | measured
                )
            )


if __name__ == "__main__":
    main()
