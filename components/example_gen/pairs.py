"""A user's own pairs of strings, from TSV or JSONL files: read in batches, checked line by line."""

import bz2
import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from components.example_gen.settings import PairsData
from components.example_gen.shards import SplitBatch
from components.example_gen.splits import sides
from components.settings import SettingsError

# Rows that are in memory at a time.
_BATCH_ROWS = 16_384

# A line longer than this is no pair of short strings, and reading it whole could exhaust the memory.
_LONGEST_LINE_BYTES = 1 << 20

_UNPACKERS: dict[str, Callable[[BinaryIO], contextlib.AbstractContextManager[Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
}


class PairsError(ValueError):
    """A line that is no pair; the message names file and line, the reason and the remedy."""


def match_files(pattern: str) -> list[str]:
    """Returns the files that a pattern names, sorted: one shard each.

    Raises:
      SettingsError: No file matches.
    """
    paths = sorted(metadata.path for metadata in FileSystems.match([pattern])[0].metadata_list)
    if not paths:
        raise SettingsError(
            f"no file matches {pattern!r}; check data.pattern (a relative path starts at {os.getcwd()})"
        )
    return paths


def fingerprint(paths: list[str]) -> str:
    """Returns a hash over name, size and time of last change of each file: what a cached result depends on."""
    metadata = [match for path in paths for match in FileSystems.match([path])[0].metadata_list]
    described = [(m.path, m.size_in_bytes, m.last_updated_in_seconds) for m in metadata]
    return hashlib.sha256(repr(described).encode()).hexdigest()


def read_pairs(data: PairsData, path: str) -> Iterator[SplitBatch]:
    """Yields a file's pairs in order, at most 16,384 at a time.

    Args:
      data: Lengths that a pair may have and the share of the evaluation side.
      path: A file that Beam's file systems can open.

    Raises:
      PairsError: A line is not UTF-8, no pair, or has an empty or over-long side.
    """
    rows: list[tuple[bytes, bytes, int]] = []
    parse = _parse_json if _is_jsonl(path) else _parse_tsv
    # Beam's own unpacking has no readline with a limit.
    unpack = _UNPACKERS.get(os.path.splitext(path)[1], contextlib.nullcontext)
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as packed, unpack(packed) as lines:
        number = 0
        while line := lines.readline(_LONGEST_LINE_BYTES + 1):
            number += 1
            try:
                rows.append(_check(data, *parse(_decode(line))))
            except PairsError as error:
                raise PairsError(f"{path}, line {number}: {error}") from None
            if len(rows) == _BATCH_ROWS:
                yield _to_split_batch(data, rows)
                rows = []
    if rows:
        yield _to_split_batch(data, rows)


def _is_jsonl(path: str) -> bool:
    stem, ending = os.path.splitext(path)
    if ending in _UNPACKERS:
        ending = os.path.splitext(stem)[1]
    return ending in (".jsonl", ".json")


def _decode(line: bytes) -> str:
    if len(line) > _LONGEST_LINE_BYTES:
        raise PairsError(f"longer than {_LONGEST_LINE_BYTES:,} bytes; is this a file of pairs, one a line?")
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise PairsError(f"byte {error.start + 1} is not UTF-8; convert the file to UTF-8") from None


def _parse_tsv(line: str) -> tuple[str, str]:
    fields = line.split("\t")
    if len(fields) != 2:
        raise PairsError(f"{len(fields) - 1} tabs in {line[:60]!r}; a line is an expression, one tab and its answer")
    return fields[0], fields[1]


def _parse_json(line: str) -> tuple[str, str]:
    try:
        pair = json.loads(line)
    except ValueError as error:
        raise PairsError(f"{line[:60]!r} is not JSON ({error}); a line is one JSON object") from None
    if not isinstance(pair, dict):
        raise PairsError(f"{line[:60]!r} is no JSON object; write {{'expression': ..., 'answer': ...}}")
    for key in ("expression", "answer"):
        if not isinstance(pair.get(key), str):
            raise PairsError(f"{line[:60]!r} has no string under the key {key!r}")
    return pair["expression"], pair["answer"]


def _check(data: PairsData, expression: str, answer: str) -> tuple[bytes, bytes, int]:
    for name, text, longest, setting in (
        ("expression", expression, data.input_length, "input_length"),
        ("answer", answer, data.output_length, "output_length"),
    ):
        if not text:
            raise PairsError(f"the {name} is empty; every line needs both sides")
        if len(text) > longest:
            raise PairsError(
                f"the {name} has {len(text)} characters, more than {longest}; raise data.{setting} or remove the line"
            )
    try:
        return expression.encode(), answer.encode(), len(expression)
    except UnicodeEncodeError as error:
        raise PairsError(f"{error.object[error.start]!r} is half a surrogate pair, no character") from None


def _to_split_batch(data: PairsData, rows: list[tuple[bytes, bytes, int]]) -> SplitBatch:
    expressions, answers, lengths = zip(*rows, strict=True)
    places = np.array([int.from_bytes(hashlib.sha256(e).digest()[:8], "big") for e in expressions], np.float64)
    columns = {
        "expression": pa.array(expressions, pa.binary()),
        "answer": pa.array(answers, pa.binary()),
        "length": pa.array(lengths, pa.int64()),
    }
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32))
    arrays = [pa.ListArray.from_arrays(offsets, column) for column in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, list(columns)), sides(data, places * 2.0**-64)
