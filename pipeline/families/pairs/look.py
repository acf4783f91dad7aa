"""Looking at pairs before there is a task for them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components.example_gen.pairs import find_pairs
from components.example_gen.settings import PairsData
from components.settings import SettingsError
from data.corpora import find_tables
from data.errors import DataError
from data.tables.detection import find_layout
from data.tables.inspection import (
    ColumnDescription,
    FileDescription,
    TableDescription,
    describe_column,
    describe_tables,
)
from data.tables.reading import Part, read_part
from data.tables.report import ReadReport
from pipeline.families.family import Draft
from pipeline.report.words import count

_SHOWN = 3

# One for each split.
_FEWEST_INPUTS = 3

# So many files are looked at before a run starts.
_LOOKED_AT = 10


def look_at_pairs(inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
    """Reads pairs and says what is in them.

    Args:
      inputs: Files, folders or globs.
      data: What the user has set of `data`, as text.

    Raises:
      DataError: There is no file, or one cannot be read, or has not the columns.
    """
    stated = {name: value for name, value in data.items() if name in {f.name for f in dataclasses.fields(PairsData)}}
    options = PairsData(files=inputs, **{n: v for n, v in stated.items() if n in _READING}).table_options  # type: ignore[arg-type]
    found = find_tables(inputs, "--data")
    description = describe_tables(found.files, options)
    if description.repetition.distinct_inputs < _FEWEST_INPUTS:
        raise DataError(
            f"{', '.join(inputs)}: {count(description.repetition.distinct_inputs, 'input')} in "
            f"{count(description.rows, 'row')}; training, validation and test need one each; add rows"
        )
    settings: dict[str, Any] = {"files": list(inputs)}
    source, target = description.columns
    for name, column in (("input_tokens", source), ("target_tokens", target)):
        if column.spaced:
            settings[name] = "space"
    lines = [*_describe(description), _column("input", source), _column("target", target), _repetition(description)]
    if found.hidden:
        lines.append(f"Hidden files are left out: {', '.join(found.hidden[:_SHOWN])}")
    if any(file.delimiter and not file.header for file in description.files):
        lines.append("If line 1 names the columns, say so: --set data.header=yes")
    if description.empty_lines or description.skipped:
        lines.append(f"{description.empty_lines:,} empty lines and {description.skipped:,} unusable rows are skipped.")
    return Draft(settings, lines)


def check_pairs(data: PairsData) -> PairsData:
    """Looks at the beginning of the first files; returns the settings with `target_tokens` settled.

    Raises:
      SettingsError: There is no file, or one cannot be read, has not the columns, or has no row at its beginning.
    """
    groups = find_pairs(data)
    try:
        for found in groups:
            for file in found.files[:_LOOKED_AT]:
                find_layout(file, data.table_options)
        if data.target_tokens != "auto":
            return data
        options = dataclasses.replace(data.table_options, on_error="skip")
        batches = read_part(Part(first := groups[0].files[0], find_layout(first, options)), options, ReadReport("skip"))
        batch = next(batches, None)
    except DataError as error:
        raise SettingsError(str(error)) from None
    spaced = batch is not None and describe_column("target", batch.columns.column("target")).spaced
    return dataclasses.replace(data, target_tokens="space" if spaced else "characters")


def find_lengths(data: PairsData) -> PairsData:
    """Reads all pairs, and returns the settings with the characters of the longest input and answer.

    Raises:
      SettingsError: A row cannot be used.
    """
    files = [file for found in find_pairs(data) for file in found.files]
    try:
        source, target = describe_tables(files, data.table_options).columns
    except DataError as error:
        raise SettingsError(str(error)) from None
    lengths = [min(column.longest, data.longest) for column in (source, target)]
    return dataclasses.replace(data, input_length=lengths[0], output_length=lengths[1])


# The settings that say how a table is read.
_READING = ("input", "target", "header", "delimiter", "encoding", "on_error")


def _describe(description: TableDescription) -> list[str]:
    files = description.files
    lines = [
        f"{count(description.rows, 'row')} in {len(files):,} files, such as:"
        if len(files) > 1
        else f"{count(description.rows, 'row')}:"
    ]
    return lines + [f"  {_file(file)}" for file in files[:_SHOWN]]


def _file(file: FileDescription) -> str:
    said: list[str] = [file.format]
    if file.delimiter:
        said.append(
            {"\t": "tabs between fields", ",": "commas between fields"}.get(
                file.delimiter, f"{file.delimiter!r} between fields"
            )
        )
    said.append(file.encoding)
    said.append(("a header" if file.header else "no header") + (f" ({file.why})" if file.why else ""))
    if file.names:
        said.append(f"columns {', '.join(file.names)}")
    return f"{file.path}: {', '.join(said)}"


def _column(name: str, column: ColumnDescription) -> str:
    examples = ", ".join(repr(example) for example in column.examples)
    frequent = " ".join(repr(character)[1:-1] for character, _ in column.frequent)
    said = (
        f"{name}: {examples}; at most {count(column.longest, 'character')}, 99% at most {column.length_99:,}; "
        f"{count(column.characters, 'different character')}: {frequent}"
    )
    if column.spaced:
        said += f"; symbols with spaces between them: {column.tokens:,} different ones, at most {column.most_tokens:,} in a row"
    return said


def _repetition(description: TableDescription) -> str:
    repetition = description.repetition
    about = "" if repetition.exact else "about "
    return (
        f"{about}{repetition.distinct_inputs:,} different inputs; {about}{repetition.duplicates:,} rows repeat an earlier one; "
        f"{about}{repetition.several_answers:,} inputs have several answers, any of which counts as right"
    )
