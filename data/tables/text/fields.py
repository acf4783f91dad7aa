"""The fields of one record of CSV or TSV: samples of files and rows that Arrow does not take go through here."""

import re

from data.tables.text.records import Grammar, read_records


def split_fields(record: str, delimiter: str, quotes: bool) -> list[str]:
    """Returns the fields of a record that is no bad one; without a delimiter the record is its only field."""
    if not delimiter:
        return [record]
    if not quotes or '"' not in record:
        return record.split(delimiter)
    fields, position = [], 0
    quoted = re.compile(r'"((?:[^"]|"")*)"')
    while True:
        matched = quoted.match(record, position)
        if matched is not None:
            fields.append(matched[1].replace('""', '"'))
            position = matched.end()
        else:
            end = record.find(delimiter, position)
            end = len(record) if end < 0 else end
            fields.append(record[position:end])
            position = end
        if position >= len(record):
            return fields
        position += 1
        if position == len(record):
            return [*fields, ""]


def is_blank(record: bytes, delimiter: bytes) -> bool:
    """Returns whether a record has nothing but spaces, tabs and delimiters."""
    return not record.strip(b" \t" + delimiter)


def sample_rows(data: bytes, is_whole: bool, grammar: Grammar, most: int) -> tuple[list[list[str]], int]:
    """Returns the fields of the first records of a sample, and how many of them are bad.

    Args:
      data: UTF-8; may end in the middle of a record.
      is_whole: Whether it is the whole file.
      grammar: What separates and quotes.
      most: How many records.
    """
    rows: list[list[str]] = []
    bad = 0
    delimiter = grammar.delimiter.decode()
    for block in read_records((data,), grammar, is_whole=is_whole):
        for index in range(len(block.starts)):
            if index in block.bad:
                bad += 1
            elif not is_blank(block.record(index), grammar.delimiter):
                rows.append(split_fields(block.record(index).decode(errors="replace"), delimiter, grammar.quotes))
            if len(rows) + bad == most:
                return rows, bad
    return rows, bad
