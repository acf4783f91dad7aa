"""How fast tables are read, and in how much memory: `python -m benchmarks.programs.tables --megabytes 1024 FOLDER`.

It writes the same pairs as CSV, TSV, JSONL and Parquet, and reads each in a process of its own,
in one process and in as many as there are cores.
"""

import argparse
import contextlib
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
import pyarrow.compute as pc
import pyarrow.csv

from data.files import find_files
from data.tables.options import ENDINGS, Column, TableOptions
from data.tables.reading import Part, plan_parts, read_part
from data.tables.report import ReadReport
from data.tables.writing import open_writer

# The columns have the names of the features that ExampleGen makes, so that TFX's CsvExampleGen makes them too.
SCHEMA = pa.schema([("expression", pa.string()), ("answer", pa.string()), ("length", pa.int64())])

_OPTIONS = TableOptions((Column("input", "expression"), Column("target", "answer")))
_BATCH_ROWS = 100_000

# Characters of a phrase, and what a row then needs as CSV.
_SHORTEST, _LONGEST = 8, 120
_BYTES_PER_ROW = 140

# One in nine characters is a space, one in a hundred a comma or a quote; `q` becomes an accented letter.
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz" * 8 + b" " * 26 + b',,"', np.uint8)
_STANDS_FOR_ACCENT = "q"


def make_batches(megabytes: int, seed: int = 1) -> Iterator[pa.RecordBatch]:
    """Yields different pairs of a phrase and the phrase reversed; some phrases have accents, commas and quotes.

    Args:
      megabytes: Size of the rows as CSV, roughly, in MiB.
      seed: Chooses the phrases.
    """
    random = np.random.default_rng(seed)
    rows = megabytes * (1 << 20) // _BYTES_PER_ROW
    for start in range(0, rows, _BATCH_ROWS):
        count = min(_BATCH_ROWS, rows - start)
        lengths = random.integers(_SHORTEST, _LONGEST + 1, count)
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        letters = _LETTERS[random.integers(0, len(_LETTERS), offsets[-1])]
        # Position i of a row is position length - 1 - i of its reverse.
        backwards = np.repeat(offsets[:-1] + offsets[1:] - 1, lengths) - np.arange(offsets[-1])
        columns = []
        for side in (letters, letters[backwards]):
            texts = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(side))
            columns.append(pc.replace_substring(texts, _STANDS_FOR_ACCENT, "\N{LATIN SMALL LETTER E WITH ACUTE}"))
        yield pa.RecordBatch.from_arrays([*columns, pa.array(lengths)], schema=SCHEMA)


def write_pairs(path: str, megabytes: int) -> None:
    """Writes the pairs of `make_batches` into a table, in the format that its path ends in; CSV by Arrow, all texts quoted."""
    with contextlib.ExitStack() as stack:
        if path.endswith(".csv"):
            file = stack.enter_context(open(path, "wb"))
            # Not by Arrow, which quotes the names: CsvExampleGen would take the quotes for a part of them.
            file.write(f"{','.join(SCHEMA.names)}\n".encode())
            options = pyarrow.csv.WriteOptions(include_header=False)
            writer = stack.enter_context(pyarrow.csv.CSVWriter(file, SCHEMA, write_options=options))
        else:
            writer = stack.enter_context(open_writer(path, SCHEMA))
        for batch in make_batches(megabytes):
            writer.write(batch)


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
            write_pairs(path, arguments.megabytes)
        for workers in sorted({1, arguments.workers}):
            command = [sys.executable, "-m", "benchmarks.programs.tables", arguments.folder, "--read", path]
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
