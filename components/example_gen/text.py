"""The plan of a text's examples: how long each file is, which split has what, which characters are too rare.

It takes one pass over the corpus. The shards that it makes can then be written in any order, on any machine.
"""

import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.example_gen.settings import REPLACEMENT, TextData
from components.example_gen.shards import SplitBatch
from components.example_gen.staging import StagedText, StagingFile
from components.example_gen.text_sides import FileRange, check_sides, divide_file, is_trained_on, training_end
from components.example_gen.windows import windows
from components.settings import SettingsError
from data.corpora import find_corpus
from data.errors import CorpusError
from data.files import DataFile
from data.reading import read_text

_LOG = logging.getLogger("charseq.example_gen")

_CODE_POINTS = 0x110000
_PROGRESS_SECONDS = 5.0

# A summary is shown to people and kept in ML Metadata: it names so many files and characters, and counts the rest.
_NAMED = 100

_Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class TextShard:
    """What a worker makes a shard from.

    Attributes:
      start: Position of the shard's first character, in the whole corpus.
      stop: Behind its last one.
      files: Every file that has a character there.
      text: These characters, and those around them that their windows have.
    """

    start: int
    stop: int
    files: tuple[FileRange, ...]
    text: StagedText


@dataclasses.dataclass(frozen=True)
class TextPlan:
    """A corpus, ready to be cut.

    Attributes:
      shards: What each shard is made from.
      replaced: Code points of the characters that become U+FFFD: uint32, ascending.
      summary: What a person wants to know of the corpus: strings, numbers, and lists of at most 100.
    """

    shards: list[TextShard]
    replaced: npt.NDArray[np.uint32]
    summary: dict[str, Any]


def plan_text(data: TextData, staging_path: str) -> TextPlan:
    """Reads the corpus once and plans its examples.

    Args:
      data: Which text and how it becomes windows.
      staging_path: Where to write the cleaned text, on a file system that every worker can read.

    Raises:
      SettingsError: There is no such corpus, or it is too short, or all of it is on one side.
      CorpusError: A file cannot be read.
    """
    try:
        found = find_corpus(data.corpus, data.spans)
    except CorpusError as error:
        raise SettingsError(str(error)) from None
    files = found.files
    if found.hidden:
        _LOG.info("%s hidden files and folders are left out, such as %s", f"{len(found.hidden):,}", found.hidden[0])
    staging = StagingFile(staging_path)
    try:
        ranges = [_stage(data, file, staging) for file in files]
    finally:
        staging.close()
    check_sides(data, ranges)
    trained, judged = _count_characters(data, ranges, staging)
    replaced = np.flatnonzero((trained + judged > 0) & (trained < data.min_count))
    if not (trained >= data.min_count).any():
        raise SettingsError(f"data.min_count is {data.min_count:,}: no character is there so often; lower it")
    summary = _summarize(data, files, ranges, trained, judged, replaced)
    summary["hidden"] = list(found.hidden[:_NAMED])
    counts = {name: value for name, value in summary.items() if isinstance(value, int) and value}
    _LOG.info("%s: %s", data.corpus, ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in counts.items()))
    return TextPlan(list(_shards(data, ranges, staging)), replaced.astype(np.uint32), summary)


def shard_windows(data: TextData, shard: TextShard, replaced: npt.NDArray[np.uint32]) -> Iterator[SplitBatch]:
    """Yields the examples of a shard.

    Features: `context` (the characters that a model may read first; may be empty) and `text` (those that it predicts), both
    UTF-8, and `position` (int64, of the text's first character in the whole corpus, its files one behind the other).
    """
    text = shard.text.read()
    if len(replaced):
        table = np.arange(_CODE_POINTS, dtype=np.uint32)
        table[replaced] = ord(REPLACEMENT)
        text = table[text]
    return windows(data, list(shard.files), shard.start, shard.stop, text, shard.text.start)


def _stage(data: TextData, file: DataFile, staging: StagingFile) -> FileRange:
    """Writes a file's cleaned text and returns where in the corpus it lies."""
    start, began = staging.characters, time.monotonic()
    for block in read_text(file, data.encoding, data.lowercase, data.nfc):
        staging.write(block)
        if time.monotonic() - began > _PROGRESS_SECONDS:
            began = time.monotonic()
            _LOG.info("reading %s: %s characters", file.path, f"{staging.characters - start:,}")
    characters = staging.characters - start
    return divide_file(data, file.name, start, characters)


def _count_characters(data: TextData, ranges: list[FileRange], staging: StagingFile) -> tuple[_Counts, _Counts]:
    """Returns how often training windows, and the windows of the other splits, have each character: int64 [1,114,112] each."""
    trained, judged = np.zeros(_CODE_POINTS, np.int64), np.zeros(_CODE_POINTS, np.int64)
    for file in ranges:
        for part in staging.parts(file.start, training_end(data, file)):
            _add(trained, part.read()[is_trained_on(data, file, part.start, part.stop)])
        for part in staging.parts(file.validation, file.stop):
            _add(judged, part.read())
    return trained, judged


def _add(counts: _Counts, points: npt.NDArray[np.uint32]) -> None:
    found = np.bincount(points)
    counts[: len(found)] += found


def _shards(data: TextData, ranges: list[FileRange], staging: StagingFile) -> Iterator[TextShard]:
    before, after = max(data.context, data.eval_context), max(data.length, data.evaluated_length)
    first = 0
    for start in range(0, staging.characters, data.characters_per_shard):
        stop = min(start + data.characters_per_shard, staging.characters)
        while ranges[first].stop <= start:
            first += 1
        last = first
        while last < len(ranges) and ranges[last].start < stop:
            last += 1
        text = staging.part(max(0, start - before), min(stop + after, staging.characters))
        yield TextShard(start, stop, tuple(ranges[first:last]), text)


def _summarize(
    data: TextData,
    files: Sequence[DataFile],
    ranges: list[FileRange],
    trained: _Counts,
    judged: _Counts,
    replaced: npt.NDArray[np.int64],
) -> dict[str, Any]:
    occurrences = trained[replaced] + judged[replaced]
    often = np.argsort(-occurrences, kind="stable")[:_NAMED]
    return {
        "corpus": data.corpus,
        "files": len(files),
        "file_names": [file.name for file in files[:_NAMED]],
        "context": data.context,
        "eval_context": data.eval_context,
        "characters": ranges[-1].stop,
        "training_characters": sum(file.validation - file.start for file in ranges),
        "validation_characters": sum(file.test - file.validation for file in ranges),
        "test_characters": sum(file.stop - file.test for file in ranges),
        "distinct_characters": int((trained >= data.min_count).sum()),
        "replaced_characters": len(replaced),
        "replaced_in_training": int(trained[replaced].sum()),
        "replaced_elsewhere": int(judged[replaced].sum()),
        "replaced": [[chr(replaced[i]), int(occurrences[i])] for i in often],
    }
