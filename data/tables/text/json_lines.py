"""JSONL: an object a line, of which the values of some keys are read."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import pyarrow as pa

from data.errors import TableError
from data.tables.batch import Batch
from data.tables.report import ReadReport
from data.tables.text.fields import is_blank
from data.tables.text.records import Block

_ONE_A_LINE = 'write one JSON object a line, such as {"input": "...", "target": "..."}; jq -c makes such lines'


class Key(NamedTuple):
    """A key that is read.

    Attributes:
      name: The key.
      nullable: Whether it may be null or missing.
      lists: Whether its value may be a list of numbers, which is read as its JSON text.
    """

    name: str
    nullable: bool = False
    lists: bool = False


class _Number(str):
    """A number as the file writes it: 1.50 stays 1.50."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated!r} is there twice")
    return found


_DECODER = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant, object_pairs_hook=_distinct_keys
)


def decode_object(text: str) -> dict[str, Any] | str:
    """Returns the object of a line, its numbers as the texts that they are; or what is wrong with the line."""
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        return "the JSON is nested too deep"
    except json.JSONDecodeError as error:
        return f"{text[:60]!r} is not JSON ({error.msg} at character {error.pos + 1:,})"
    except ValueError as error:
        return f"{text[:60]!r} is not JSON ({error})"
    if not isinstance(found, dict):
        return f"{text[:60]!r} is no JSON object"
    return found


def parse_json_lines(
    block: Block, file: str, keys: list[Key], columns: Sequence[str], encoding: str, report: ReadReport
) -> Batch:
    """Returns the values of some keys of each object.

    A value is a string, or a number, which is read as the text that stands in the file.

    Args:
      block: The lines.
      file: Path of their file.
      keys: Which keys.
      columns: What their values are called in the batch.
      encoding: The file's encoding, for messages.
      report: Counts empty lines, and rejects lines that cannot be used.
    """
    values: list[list[str]] = [[] for _ in keys]
    lines: list[int] = []
    numbers = block.lines.tolist()
    for index, (start, end) in enumerate(zip(block.starts.tolist(), block.ends.tolist(), strict=True)):
        record = block.data[start:end]
        if index not in block.bad and is_blank(record, b""):
            report.empty_lines += 1
            continue
        row = _row(block.bad.get(index, ""), record, keys, encoding)
        if isinstance(row, _Wrong):
            column = repr(row.key) if row.key else ""
            report.reject(TableError(file, row.reason, row.remedy, numbers[index], column))
            continue
        lines.append(numbers[index])
        for column_values, value in zip(values, row, strict=True):
            column_values.append(value)
    report.rows += len(lines)
    return Batch.of(file, lines, columns, [pa.array(column_values, pa.string()) for column_values in values])


class _Wrong:
    def __init__(self, reason: str, remedy: str, key: str = ""):
        self.reason, self.remedy, self.key = reason, remedy, key


def _row(bad: str, record: bytes, keys: list[Key], encoding: str) -> list[str] | _Wrong:
    if bad:
        return _Wrong(bad, _ONE_A_LINE)
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        return _Wrong(*not_text(error, encoding))
    found = decode_object(text)
    if isinstance(found, str):
        return _Wrong(found, _ONE_A_LINE)
    row = []
    for key, nullable, lists in keys:
        value = found.get(key)
        if lists and isinstance(value, list) and all(isinstance(item, _Number | None) for item in value):
            value = f"[{', '.join('null' if item is None else item for item in value)}]"
        if value is None and nullable:
            value = ""
        if not isinstance(value, str):
            kind = "no value" if key not in found else "null" if value is None else f"a {_KINDS[type(value)]}"
            there = "" if key in found else f"; its keys are {', '.join(map(repr, list(found)[:20]))}"
            return _Wrong(
                f"there is {kind} under this key{there}", "give it a string or a number, or name another key", key
            )
        if not value.isascii():
            half = next((character for character in value if "\ud800" <= character <= "\udfff"), "")
            if half:
                return _Wrong(f"{half!r} is half a surrogate pair, no character", "mend what wrote the file", key)
        row.append(value)
    return row


_KINDS = {bool: "truth value", dict: "JSON object", list: "list"}


def not_text(error: UnicodeDecodeError, encoding: str) -> tuple[str, str]:
    """Returns reason and remedy for a record that cannot be decoded."""
    if encoding == "utf-8":
        place = f"byte {error.start + 1:,} of it (0x{error.object[error.start]:02x})"
    else:
        place = f"character {len(error.object[: error.start].decode()) + 1:,} of it"
    return f"{place} is not {encoding}", "state the file's encoding, such as encoding=latin-1, or convert it to UTF-8"
