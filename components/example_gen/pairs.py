"""A user's own pairs of strings, from tables: which files, in which parts, and the rows of a part."""

import dataclasses
import logging
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.settings import PairsData
from components.example_gen.splits import TEST, TRAIN, VALIDATION
from components.settings import SettingsError
from data.corpora import find_tables
from data.errors import DataError, TableError
from data.files import DataFile, FoundFiles
from data.tables.batch import Batch
from data.tables.detection import find_layout
from data.tables.reading import Part, plan_parts, read_part
from data.tables.report import ReadReport

_LOG = logging.getLogger("charseq.example_gen")

# A summary is shown to people and kept in ML Metadata: it names so many files, and counts the rest.
_NAMED = 100

# So many files of each split are looked at before a run starts.
_LOOKED_AT = 10

# Bytes of a bucket's rows, roughly: some ten times as much is in memory while it is put together.
_BUCKET_BYTES = 16 << 20

# A packed file is taken to be so many times as large.
_PACKED = 5


@dataclasses.dataclass(frozen=True)
class SourcePart:
    """A part of a file, and the split that its file is for.

    Attributes:
      part: The part.
      source: Index in SPLITS; training's rows go to the side that follows from their input.
    """

    part: Part
    source: int


@dataclasses.dataclass
class GroupCounts:
    """What was found in putting rows together.

    Attributes:
      inputs: Different inputs.
      duplicates: Rows that are equal to another one.
      several_answers: Inputs that have several answers.
      kept_out: Rows that are left out of training because a file of validation or test names their input.
    """

    inputs: int = 0
    duplicates: int = 0
    several_answers: int = 0
    kept_out: int = 0

    def add(self, other: "GroupCounts") -> None:
        """Adds the counts of another bucket."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def find_pairs(data: PairsData) -> tuple[FoundFiles, FoundFiles, FoundFiles]:
    """Returns the files that the settings name: those to divide, those of validation and those of test.

    Raises:
      SettingsError: A name has no file, or a file is named for two splits.
    """
    groups = []
    for setting in ("files", "validation_files", "test_files"):
        names = data.named_files(setting)
        try:
            found = find_tables(names, f"data.{setting}", data.spans) if names else FoundFiles(())
        except DataError as error:
            raise SettingsError(str(error)) from None
        groups.append(found)
    training, validation, test = groups
    judged = {file.path for file in (*validation.files, *test.files)}
    # A glob for all files is a usual way to name the training's; what is named apart is not among them.
    training = dataclasses.replace(training, files=tuple(f for f in training.files if f.path not in judged))
    if not training.files:
        raise SettingsError("every file of data.files is also one of data.validation_files or data.test_files")
    both = {file.path for file in validation.files} & {file.path for file in test.files}
    if both:
        raise SettingsError(f"{min(both)} is one of data.validation_files and of data.test_files; name it once")
    return training, validation, test


def look_at_files(data: PairsData) -> list[DataFile]:
    """Returns every file that the settings name, and looks at the beginning of the first ones.

    Raises:
      SettingsError: There is no such file, one cannot be read, or has not the columns.
    """
    groups = find_pairs(data)
    try:
        for found in groups:
            for file in found.files[:_LOOKED_AT]:
                find_layout(file, data.table_options)
    except TableError as error:
        raise SettingsError(str(error)) from None
    return [file for found in groups for file in found.files]


def plan_pairs(data: PairsData, groups: tuple[FoundFiles, ...]) -> list[SourcePart]:
    """Returns the parts of the files, in order.

    Raises:
      TableError: A file cannot be read, or has not the columns.
    """
    sources = (TRAIN, VALIDATION, TEST)
    return [
        SourcePart(part, int(source))
        for source, found in zip(sources, groups, strict=True)
        for part in plan_parts(found.files, data.table_options)
    ]


def count_buckets(groups: tuple[FoundFiles, ...]) -> int:
    """Returns into how many buckets the rows are sorted: a power of 2."""
    size = sum(file.size * (_PACKED if file.packing else 1) for found in groups for file in found.files)
    return 1 << max(0, (size // _BUCKET_BYTES).bit_length())


def read_pairs(data: PairsData, part: Part, report: ReadReport) -> Iterator[pa.RecordBatch]:
    """Yields the pairs of a part in order: columns `input` and `target`, composed if `data.nfc` says so.

    Args:
      data: How the table is read, and how long a side may be.
      part: A part of a file.
      report: Counts rows, and stops at or skips those that are no pairs.

    Raises:
      TableError: A row is no pair, or has an empty or over-long side, and `data.on_error` is `stop`.
    """
    for batch in read_part(part, data.table_options, report):
        if data.target_without:
            batch = dataclasses.replace(batch, columns=_without(batch.columns, data.target_without))
        pairs = _usable(data, batch, report)
        if data.nfc:
            pairs = pa.RecordBatch.from_arrays([_compose(column) for column in pairs.columns], pairs.schema.names)
        yield pairs


def _compose(texts: pa.Array) -> pa.Array:
    """Returns texts in Unicode's form C. Arrow 18's own `utf8_normalize` gives form D for both C and D."""
    values = texts.to_pylist()
    # Nothing composes across a line feed. Nearly all texts are composed, and one look at them together costs little.
    if unicodedata.is_normalized("NFC", "\n".join(values)):
        return texts
    return pa.array([unicodedata.normalize("NFC", value) for value in values], pa.string())


def summarize(groups: tuple[FoundFiles, ...], report: ReadReport, grouped: GroupCounts) -> dict[str, Any]:
    """Returns what a person wants to know of the pairs: numbers, and lists of at most 100."""
    files = [file for found in groups for file in found.files]
    hidden = [path for found in groups for path in found.hidden]
    others = [path for found in groups for path in found.others]
    _LOG.info("%s rows of %s files", f"{report.rows:,}", f"{len(files):,}")
    for kind, count in (("empty lines", report.empty_lines), ("rows that cannot be used", report.skipped)):
        if count:
            _LOG.info("%s %s are left out", f"{count:,}", kind)
    for kind, paths in (("hidden", hidden), ("other", others)):
        if paths:
            _LOG.info("%s %s files are left out, such as %s", f"{len(paths):,}", kind, paths[0])
    counts = report.to_dict()
    return {
        "files": len(files),
        "file_names": [file.name for file in files[:_NAMED]],
        "hidden": hidden[:_NAMED],
        "others": others[:_NAMED],
        "rows": report.rows,
        **dataclasses.asdict(grouped),
        "empty_lines": report.empty_lines,
        "skipped": report.skipped,
        "skipped_rows": counts["examples"],
    }


def _without(pairs: pa.RecordBatch, left_out: str) -> pa.RecordBatch:
    """Returns pairs without some characters of their targets, nor the spaces that had only these between them."""
    characters = "|".join(map(re.escape, left_out))
    bare = pc.replace_substring_regex(pairs.column("target"), characters, "")
    targets = pc.utf8_trim(pc.replace_substring_regex(bare, " {2,}", " "), " ")
    return pa.RecordBatch.from_arrays([pairs.column("input"), targets], ["input", "target"])


def _usable(data: PairsData, batch: Batch, report: ReadReport) -> pa.RecordBatch:
    """Returns the rows of a batch that have two sides of a length that is allowed."""
    lengths = {name: _lengths(batch.columns.column(name)) for name in ("input", "target")}
    usable = np.ones(len(batch), bool)
    for length in lengths.values():
        usable &= (length > 0) & (length <= data.longest)
    if usable.all():
        return batch.columns
    for row in np.flatnonzero(~usable):
        name = next(name for name, length in lengths.items() if not 0 < length[row] <= data.longest)
        reason, remedy = "the value is empty", "fill it, or leave the row out"
        if found := int(lengths[name][row]):
            reason = f"the value has {found:,} characters, more than {data.longest:,}"
            remedy = "raise data.longest, or leave the row out"
        report.reject(TableError(batch.file, reason, remedy, int(batch.lines[row]), name))
    report.rows -= int((~usable).sum())
    return batch.columns.filter(pa.array(usable))


def _lengths(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Returns characters (code points) of each text: int32 [N]."""
    lengths: npt.NDArray[np.int32] = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    return lengths
