"""A user's own pairs of strings, from tables: which files, in which parts, and the examples of a part."""

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.settings import PairsData
from components.example_gen.shards import SplitBatch
from components.example_gen.splits import sides
from components.settings import SettingsError
from data.errors import DataError, TableError
from data.files import FoundFiles, find_files
from data.tables.batch import Batch
from data.tables.detection import find_layout
from data.tables.options import ENDINGS
from data.tables.reading import Part, plan_parts, read_part
from data.tables.report import ReadReport

_LOG = logging.getLogger("charseq.example_gen")

# Examples that are encoded at a time.
_BATCH_ROWS = 16_384

# A summary is shown to people and kept in ML Metadata: it names so many files, and counts the rest.
_NAMED = 100

# So many files are looked at before a run starts.
_LOOKED_AT = 10

# The settings that limit the characters of a column.
_LIMITS = {"input": "input_length", "target": "output_length"}


def find_pairs(data: PairsData) -> FoundFiles:
    """Returns the files that the settings name.

    Raises:
      SettingsError: One names no file.
    """
    try:
        return find_files(data.files, ENDINGS, "data.files", data.spans)
    except DataError as error:
        raise SettingsError(str(error)) from None


def check_pairs(data: PairsData, files: FoundFiles) -> None:
    """Looks at the beginning of the first files, so that a run does not start with what it cannot read.

    Raises:
      SettingsError: A file cannot be read, or has not the columns.
    """
    try:
        for file in files.files[:_LOOKED_AT]:
            find_layout(file, data.table_options)
    except TableError as error:
        raise SettingsError(str(error)) from None


def plan_pairs(data: PairsData, files: FoundFiles) -> list[Part]:
    """Returns the parts of the files, in order: one shard each.

    Raises:
      TableError: A file cannot be read, or has not the columns.
    """
    return plan_parts(files.files, data.table_options)


def read_pairs(data: PairsData, part: Part, report: ReadReport) -> Iterator[SplitBatch]:
    """Yields the pairs of a part in order, at most 16,384 at a time.

    Args:
      data: How the table is read, lengths that a pair may have and the shares of the splits.
      part: A part of a file.
      report: Counts rows, and stops at or skips those that are no pairs.

    Raises:
      TableError: A row is no pair, or has an empty or over-long side, and `data.on_error` is `stop`.
    """
    for batch in read_part(part, data.table_options, report):
        pairs = _usable(data, batch, report)
        for start in range(0, len(pairs), _BATCH_ROWS):
            yield _to_split_batch(data, pairs.slice(start, _BATCH_ROWS))


def summarize(found: FoundFiles, report: ReadReport) -> dict[str, Any]:
    """Returns what a person wants to know of the files: numbers, and lists of at most 100."""
    _LOG.info("%s rows of %s files", f"{report.rows:,}", f"{len(found.files):,}")
    for kind, count in (("empty lines", report.empty_lines), ("rows that cannot be used", report.skipped)):
        if count:
            _LOG.info("%s %s are left out", f"{count:,}", kind)
    for kind, paths in (("hidden", found.hidden), ("other", found.others)):
        if paths:
            _LOG.info("%s %s files are left out, such as %s", f"{len(paths):,}", kind, paths[0])
    counts = report.to_dict()
    return {
        "files": len(found.files),
        "file_names": [file.name for file in found.files[:_NAMED]],
        "hidden": list(found.hidden[:_NAMED]),
        "others": list(found.others[:_NAMED]),
        "rows": report.rows,
        "empty_lines": report.empty_lines,
        "skipped": report.skipped,
        "skipped_rows": counts["examples"],
    }


def _usable(data: PairsData, batch: Batch, report: ReadReport) -> pa.RecordBatch:
    """Returns the rows of a batch that have two sides of a length that is allowed."""
    lengths = {name: _lengths(batch.columns.column(name)) for name in _LIMITS}
    limits = {name: min(data.longest, getattr(data, setting)) for name, setting in _LIMITS.items()}
    usable = np.ones(len(batch), bool)
    for name, most in limits.items():
        usable &= (lengths[name] > 0) & (lengths[name] <= most)
    if usable.all():
        return batch.columns
    for row in np.flatnonzero(~usable):
        name = next(name for name, most in limits.items() if not 0 < lengths[name][row] <= most)
        reason, remedy = "the value is empty", "fill it, or leave the row out"
        if found := int(lengths[name][row]):
            setting = "longest" if limits[name] == data.longest else _LIMITS[name]
            reason = f"the value has {found:,} characters, more than {limits[name]:,}"
            remedy = f"raise data.{setting}, or leave the row out"
        report.reject(TableError(batch.file, reason, remedy, int(batch.lines[row]), name))
    report.rows -= int((~usable).sum())
    return batch.columns.filter(pa.array(usable))


def _lengths(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Returns characters (code points) of each text: int32 [N]."""
    lengths: npt.NDArray[np.int32] = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    return lengths


def _to_split_batch(data: PairsData, pairs: pa.RecordBatch) -> SplitBatch:
    inputs = pairs.column("input").cast(pa.binary())
    columns = {
        "expression": inputs,
        "answer": pairs.column("target").cast(pa.binary()),
        "length": pa.array(_lengths(pairs.column("input")), pa.int64()),
    }
    # The side follows from the input alone, so that all answers of an input are on one side.
    places = np.array(
        [int.from_bytes(hashlib.sha256(text).digest()[:8], "big") for text in inputs.to_pylist()], np.float64
    )
    offsets = pa.array(np.arange(len(pairs) + 1, dtype=np.int32))
    arrays = [pa.ListArray.from_arrays(offsets, column) for column in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, list(columns)), sides(data, places * 2.0**-64)
