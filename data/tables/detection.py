"""Finding out what a file looks like, from its beginning."""

import codecs
import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any

from data.errors import TableError
from data.files import DataFile
from data.tables.columns import check_line_1, find_columns
from data.tables.layout import Format, Layout
from data.tables.options import TableOptions, bare_name
from data.tables.parquet import open_parquet
from data.tables.text import delimiters
from data.tables.text.dictionary import DICTIONARY_COLUMNS, split_entry
from data.tables.text.fields import sample_rows
from data.tables.text.header import find_header
from data.tables.text.json_lines import decode_object
from data.tables.text.records import Grammar
from data.tables.text.streams import find_encoding, read_utf8, readable

_FORMATS: dict[str, Format] = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".dict": "dictionary",
}

# What is looked at of a file, and how many rows of that.
_SAMPLE_BYTES = 1 << 20
_SAMPLE_ROWS = 1_000

# What a file begins with that is no table, or not the one that its name promises.
_OTHERS = {
    b"PK\x03\x04": ("a ZIP archive or a workbook", "unpack it, or save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old workbook", "save the sheet as CSV"),
    b"%PDF": ("a PDF file", "name the table that it was made from"),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV"),
    b"\x1f\x8b": ("packed with gzip", "give it a name that ends in .gz"),
    b"BZh": ("packed with bzip2", "give it a name that ends in .bz2"),
    b"\x28\xb5\x2f\xfd": ("packed with Zstandard", "give it a name that ends in .zst"),
    b"PAR1": ("a Parquet file", "give it a name that ends in .parquet"),
    b"\xfd7zXZ\0": ("packed with xz", "unpack it (xz -d), or pack it with gzip, bzip2 or Zstandard"),
    b"\x04\x22\x4d\x18": ("packed with LZ4", "unpack it (lz4 -d), or pack it with gzip, bzip2 or Zstandard"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    b"Rar!\x1a\x07": ("a RAR archive", "unpack it"),
    b"ARROW1": ("an Arrow or Feather file", "write it as Parquet"),
    b"ORC": ("an ORC file", "write it as Parquet"),
    b"Obj\x01": ("an Avro file", "write it as Parquet"),
    b"\x89HDF": ("an HDF5 file", "write it as Parquet"),
}

# Where a tar archive says that it is one, in the first file's header.
_TAR = (b"ustar", 257)

# What is looked at to tell what a file is.
_HEAD_BYTES = 512

# In a text no tenth of the bytes is 0.
_MOST_ZEROS = 0.1


def find_layout(file: DataFile, options: TableOptions) -> Layout:
    """Looks at the beginning of a file.

    Args:
      file: Which file; its ending, whatever its case, says the format. With another ending it is JSONL if its first line is a
        JSON object, Parquet if it begins like that, otherwise text with a delimiter.
      options: How it is to be read, with the columns that are asked for.

    Raises:
      TableError: It cannot be read, is of another kind, or has not the columns that are asked for.
    """
    head = _head(file)
    is_parquet = _FORMATS.get(file.ending) == "parquet" or (file.ending not in _FORMATS and head.startswith(b"PAR1"))
    if is_parquet:
        return _parquet(file, head, options)
    _check_kind(file, head, options)
    encoding, mark = find_encoding(head, options.encoding)
    sample, is_whole = _sample(file, encoding, mark)
    if encoding == "utf-8" and _looks_like_utf16(sample):
        raise TableError(
            file.path, "many of its bytes are 0: it looks like UTF-16", "state the encoding: utf-16-le or utf-16-be"
        )
    layout = Layout(_text_format(file, sample), encoding, mark)
    if layout.format == "dictionary":
        examples = next(filter(None, map(split_entry, sample.decode(errors="replace").splitlines())), ("", ""))
        return _with_columns(file, layout, list(DICTIONARY_COLUMNS), 2, list(examples), options)
    return (
        _json_lines(file, layout, sample, is_whole, options)
        if layout.format == "jsonl"
        else _delimited(file, layout, sample, is_whole, options)
    )


def _head(file: DataFile) -> bytes:
    with readable(file), file.open() as content:
        head: bytes = content.read(_HEAD_BYTES)
        if not head and file.packing and not file.size:
            raise TableError(
                file.path, f"is empty, and even an empty {file.packing} archive has some bytes", "fetch it again"
            )
        return head


def _check_kind(file: DataFile, head: bytes, options: TableOptions) -> None:
    if codecs.lookup(options.encoding).name not in ("utf-8", "utf-8-sig"):
        return  # the same bytes may be text there
    for beginning, (kind, remedy) in _OTHERS.items():
        if head.startswith(beginning):
            raise TableError(file.path, f"this is {kind}, not a table as text", remedy)
    mark, position = _TAR
    if head[position : position + len(mark)] == mark:
        raise TableError(file.path, "this is a tar archive, not a table", "unpack it, and name the files that it has")


def _looks_like_utf16(sample: bytes) -> bool:
    """Returns whether a sample has many zeros, and one beside each line end, always on the same side."""
    ends = sample.count(b"\n") + sample.count(b"\r")
    beside = (sample.count(b"\n\0") + sample.count(b"\r\0"), sample.count(b"\0\n") + sample.count(b"\0\r"))
    return sample.count(0) > _MOST_ZEROS * len(sample) and ends in beside


def _text_format(file: DataFile, sample: bytes) -> Format:
    if file.ending in _FORMATS:
        return _FORMATS[file.ending]
    first = sample.lstrip().split(b"\n", 1)[0]
    try:
        return "jsonl" if isinstance(json.loads(first), dict) else "delimited"
    except (ValueError, RecursionError):
        return "delimited"


def _sample(file: DataFile, encoding: str, mark: int) -> tuple[bytes, bool]:
    """Returns the beginning of a file, and whether that is all of it."""
    pieces: list[bytes] = []
    size = 0
    for chunk in read_utf8(file, encoding, mark):
        if size >= _SAMPLE_BYTES and chunk:
            return b"".join(pieces), False
        pieces.append(chunk)
        size += len(chunk)
    return b"".join(pieces), True


def _delimited(file: DataFile, layout: Layout, sample: bytes, is_whole: bool, options: TableOptions) -> Layout:
    delimiter = options.delimiter_character or delimiters.find_delimiter(sample, is_whole, file.ending, options.columns)
    quotes = bool(delimiter) and (
        _quotes(file, layout, sample, is_whole, delimiter) if options.quotes == "auto" else options.quotes == "yes"
    )
    grammar = Grammar(delimiter.encode(), quotes, options.longest_line)
    rows, _ = sample_rows(sample, is_whole, grammar, _SAMPLE_ROWS)
    if options.header == "auto":
        header, why = find_header(rows, options.columns)
    else:
        header, why = options.header == "yes" and bool(rows), f"header={options.header} is stated"
    if not header and rows and options.header == "auto":
        check_line_1(file.path, options.columns, rows[0])
    layout = dataclasses.replace(layout, delimiter=delimiter, quotes=quotes, header=header, why=why)
    if not rows:
        return _without_rows(layout, options)
    names = rows[0] if header else []
    width = len(names) or _commonest([len(row) for row in rows])
    examples = next((row for row in rows[header:] if len(row) == width), [""] * width)
    return _with_columns(file, layout, names, width, examples, options)


def _quotes(file: DataFile, layout: Layout, sample: bytes, is_whole: bool, delimiter: str) -> bool:
    if delimiter != "\t":
        return True
    if delimiters.has_quote_at_field_start(sample) or is_whole:
        return delimiters.quotes_are_syntax(sample, is_whole)
    # Decided where the first one stands, however far that is.
    for stretch, is_last in _stretches(file, layout):
        if delimiters.has_quote_at_field_start(stretch):
            return delimiters.quotes_are_syntax(stretch, is_last)
    return True


def _stretches(file: DataFile, layout: Layout) -> Iterator[tuple[bytes, bool]]:
    """Yields the file in stretches that begin with a line, and whether each is the last."""
    carried = b""
    for chunk in read_utf8(file, layout.encoding, layout.mark):
        stretch = carried + chunk
        yield stretch, False
        last = max(stretch.rfind(b"\n"), stretch.rfind(b"\r"))
        # What is carried has been looked at, but it may be the beginning of a row with a quote.
        carried = stretch[last + 1 :][-_SAMPLE_BYTES:]
    yield carried, True


def _json_lines(file: DataFile, layout: Layout, sample: bytes, is_whole: bool, options: TableOptions) -> Layout:
    rows, _ = sample_rows(sample, is_whole, Grammar(longest=options.longest_line), _SAMPLE_ROWS)
    objects: list[dict[str, Any]] = []
    for (text,) in rows:
        found = decode_object(text)
        if isinstance(found, dict):
            objects.append(found)
    if not objects:
        return _without_rows(layout, options)
    names = list(dict.fromkeys(name for found in objects for name in found))
    examples = ["" if objects[0].get(name) is None else str(objects[0][name]) for name in names]
    for column in options.columns:
        if column.stated_by_name and bare_name(str(column.source)) not in map(bare_name, names):
            names.append(str(column.source))
            examples.append("")
    return _with_columns(file, layout, names, len(names), examples, options)


def _parquet(file: DataFile, head: bytes, options: TableOptions) -> Layout:
    if file.packing:
        raise TableError(
            file.path, "a Parquet file within another archive", "unpack it: Parquet packs its columns itself"
        )
    if not head.startswith(b"PAR1"):
        raise TableError(
            file.path, "this is no Parquet file, though its name says so", "give it the ending of what it is"
        )
    with open_parquet(file) as parquet:
        names = parquet.schema_arrow.names
        first = next(parquet.iter_batches(batch_size=1), None) if parquet.metadata.num_rows else None
        examples = (
            [str(column[0].as_py()) for column in first.columns]
            if first is not None and len(first)
            else [""] * len(names)
        )
    return _with_columns(file, Layout("parquet"), names, len(names), examples, options)


def _without_rows(layout: Layout, options: TableOptions) -> Layout:
    """Returns the layout of a file of which no row can be told: reading finds none, or says line by line what is wrong."""
    columns = tuple(column.name for column in options.columns)
    names = tuple(str(column.source) or column.name for column in options.columns) if layout.format == "jsonl" else ()
    return dataclasses.replace(
        layout,
        names=names,
        width=len(columns),
        indices=tuple(range(len(columns))),
        columns=columns,
        nullable=tuple(column.nullable for column in options.columns),
    )


def _with_columns(
    file: DataFile, layout: Layout, names: list[str], width: int, examples: list[str], options: TableOptions
) -> Layout:
    layout = dataclasses.replace(layout, names=tuple(names), width=width, examples=tuple(examples))
    if not options.columns:
        return with_every_column(layout)
    return dataclasses.replace(
        layout,
        indices=tuple(find_columns(file.path, options.columns, names, width, examples)),
        columns=tuple(column.name for column in options.columns),
        nullable=tuple(column.nullable for column in options.columns),
    )


def with_every_column(layout: Layout) -> Layout:
    """Returns the layout by which every column of a file is read, under the name that the file gives it, and may have nulls."""
    columns = _distinct(layout.names) if layout.names else [f"column_{index + 1}" for index in range(layout.width)]
    return dataclasses.replace(
        layout, indices=tuple(range(layout.width)), columns=tuple(columns), nullable=(True,) * layout.width
    )


def _distinct(names: Iterable[str]) -> list[str]:
    """Returns the names, with a number behind those that are empty or were there before."""
    found: list[str] = []
    for index, name in enumerate(names):
        found.append(name if name and name not in found else f"{name or 'column'}_{index + 1}")
    return found


def _commonest(widths: list[int]) -> int:
    return max(dict.fromkeys(widths), key=widths.count)
