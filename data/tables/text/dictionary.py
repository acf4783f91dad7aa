"""Pronunciation dictionaries in the format of CMU's: on each line a word, and behind white space how it is pronounced.

    ;;; a comment
    tomato T AH0 M EY1 T OW2
    tomato(2) T AH0 M AA1 T OW2    # another pronunciation of the same word

Source: cmudict.dict and its README of https://github.com/cmusphinx/cmudict; Sphinx and Kaldi read the same.
"""

import re
from collections.abc import Sequence

import pyarrow as pa

from data.errors import TableError
from data.tables.batch import Batch
from data.tables.report import ReadReport
from data.tables.text.fields import is_blank
from data.tables.text.json_lines import not_text
from data.tables.text.records import Block

DICTIONARY_COLUMNS = ("word", "pronunciation")

# A number in brackets behind a word counts its pronunciations. Between two symbols there may be several spaces.
_ENTRY = re.compile(r"(?P<word>\S+?)(?:\(\d+\))?[ \t]+(?P<symbols>\S.*)")
_COMMENT = re.compile(r"(?:;;;|#).*|[ \t]+#.*")


def split_entry(line: str) -> tuple[str, str] | None:
    """Returns a line's word and its symbols with single spaces between them; None if it has not both."""
    entry = _ENTRY.fullmatch(_without_comment(line).strip(" \t"))
    return (entry["word"], " ".join(entry["symbols"].split())) if entry else None


def parse_dictionary(
    block: Block, file: str, indices: Sequence[int], columns: Sequence[str], encoding: str, report: ReadReport
) -> Batch:
    """Returns the words and pronunciations of some lines.

    Args:
      block: The lines.
      file: Path of their file.
      indices: Which of DICTIONARY_COLUMNS are read.
      columns: What these are called in the batch.
      encoding: The file's encoding, for messages.
      report: Counts rows and empty lines, those with only a comment among them, and rejects lines that are no entry.

    Raises:
      TableError: A line is rejected.
    """
    values: list[list[str]] = [[] for _ in indices]
    lines: list[int] = []
    for index, line in enumerate(block.lines.tolist()):
        record = block.record(index)
        try:
            text = record.decode()
        except UnicodeDecodeError as error:
            report.reject(TableError(file, *not_text(error, encoding), line))
            continue
        entry = None if index in block.bad else split_entry(text)
        if entry:
            lines.append(line)
            for column, position in zip(values, indices, strict=True):
                column.append(entry[position])
        elif index not in block.bad and is_blank(_without_comment(text).encode(), b""):
            report.empty_lines += 1
        else:
            reason = block.bad.get(index, f"{text[:60]!r} is no word with a pronunciation behind it")
            report.reject(TableError(file, reason, "mend the line, such as: tomato T AH0 M EY1 T OW2", line))
    report.rows += len(lines)
    return Batch.of(file, lines, columns, [pa.array(column, pa.string()) for column in values])


def _without_comment(line: str) -> str:
    return _COMMENT.sub("", line, count=1) if line.startswith((";;;", "#")) or " #" in line or "\t#" in line else line
