"""Which characters of a text are on which side; no examples, so that a text can be looked at without TensorFlow."""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.example_gen.settings import TextData
from components.example_gen.splits import TEST, TEST_SPLIT, TRAIN, VALIDATION_SPLIT, sides
from components.settings import SettingsError


@dataclasses.dataclass(frozen=True)
class FileRange:
    """Where a file's text lies in the corpus, in characters: training, then validation, then test. Each may be empty.

    Attributes:
      start: Position of the file's first character. It is in the training split unless that is empty.
      validation: Position of the first character after the training split.
      test: Position of the first character after the validation split.
      stop: Behind the file's last character.
    """

    start: int
    validation: int
    test: int
    stop: int


def count_training_windows(data: TextData, file: FileRange) -> int:
    """Returns how many training windows a file has: all are full, context included."""
    return max(0, (file.validation - file.start - data.context - data.length) // data.step + 1)


def training_end(data: TextData, file: FileRange) -> int:
    """Returns the position behind the last character of a file that a training window has; its start if there is none."""
    windows = count_training_windows(data, file)
    return file.start + (windows - 1) * data.step + data.context + data.length if windows else file.start


def is_trained_on(data: TextData, file: FileRange, start: int, stop: int) -> npt.NDArray[np.bool_]:
    """Returns which of the characters at positions `start` to `stop`, all of one file, a training window has: bool [N]."""
    positions = np.arange(start, stop)
    # Windows that are further apart than they are long leave gaps.
    inside = (positions - file.start) % data.step < data.context + data.length
    return inside & (positions < training_end(data, file))


def divide_file(data: TextData, name: str, start: int, characters: int) -> FileRange:
    """Returns which part of a file is on which side.

    Args:
      data: How a text is divided.
      name: The file's name within the corpus.
      start: Position of its first character in the corpus.
      characters: How many it has.
    """
    stop = start + characters
    if data.split == "position":
        shares = 1 - data.test_fraction - data.validation_fraction, 1 - data.test_fraction
        validation, test = (start + int(characters * share) for share in shares)
        return FileRange(start, validation, test, stop)
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") * 2.0**-64
    side = sides(data, np.array([place]))[0]
    validation = stop if side == TRAIN else start
    test = start if side == TEST else stop
    return FileRange(start, validation, test, stop)


def check_sides(data: TextData, ranges: Sequence[FileRange]) -> None:
    """Checks that there is a window on each side.

    Raises:
      SettingsError: The text is too short, or all of it is on one side.
    """
    characters = ranges[-1].stop
    if not characters:
        raise SettingsError(f"the corpus {data.corpus!r} is empty: {len(ranges)} files without a character")
    found = f"the corpus {data.corpus!r} has {characters:,} characters in {len(ranges):,} file{'s' if len(ranges) != 1 else ''}"
    remedy = "use data.split=position, add files" if data.split == "file" else "use a longer text"
    for split, there in (
        (VALIDATION_SPLIT, any(file.validation < file.test for file in ranges)),
        (TEST_SPLIT, any(file.test < file.stop for file in ranges)),
    ):
        if not there:
            raise SettingsError(f"{found}, and none is for the {split} split; {remedy}, or raise data.{split}_fraction")
    if not any(count_training_windows(data, file) for file in ranges):
        longest = max(file.validation - file.start for file in ranges)
        raise SettingsError(
            f"{found}, of which training has {longest:,} in one file at most: too short for a window of data.context + "
            f"data.length = {data.context + data.length:,}; {remedy}, or lower these, data.test_fraction or "
            "data.validation_fraction"
        )
