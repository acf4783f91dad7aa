"""Reads what `charseq predict` has written."""

import csv
import io

import pyarrow.parquet as pq


def read_table(path):
    """The rows of a CSV or Parquet file."""
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else read_csv(path.read_text())


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))
