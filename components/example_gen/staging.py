"""The cleaned corpus in one file, so that any worker on any machine can read any part of it.

What users have cannot be read from the middle: it may be compressed, in an encoding without fixed places, on one machine's
disk, and composition changes how many characters it has. So it is read once, in order, and written as UTF-8 with the byte
offset of every 65,536th character.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.example_gen.windows import CodePoints

# Characters between two offsets that are known.
_STRIDE = 1 << 16


@dataclasses.dataclass(frozen=True)
class StagedText:
    """A part of the staged corpus.

    Attributes:
      path: The file.
      start: Position of the first character, in the whole corpus.
      stop: Behind the last one.
      byte_start: Where in the file the stretch begins that has them.
      byte_stop: Where it ends.
      skipped: Characters of that stretch before `start`.
    """

    path: str
    start: int
    stop: int
    byte_start: int
    byte_stop: int
    skipped: int

    def read(self) -> CodePoints:
        """Returns the code points: uint32 [stop - start]."""
        with tf.io.gfile.GFile(self.path, "rb") as file:
            file.seek(self.byte_start)
            text = file.read(self.byte_stop - self.byte_start).decode()
        return to_code_points(text[self.skipped : self.skipped + self.stop - self.start])


class StagingFile:
    """Writes the staged corpus, and then says where each part of it is."""

    def __init__(self, path: str):
        """Begins the file; `close` ends it.

        Args:
          path: On a file system that every worker can read.
        """
        self.path = path
        self.characters = 0
        self._file: Any = tf.io.gfile.GFile(path, "wb")
        self._pieces: list[str] = []
        self._pending = 0
        self._offsets = [0]

    def write(self, text: str) -> None:
        """Adds characters."""
        self.characters += len(text)
        self._pending += len(text)
        self._pieces.append(text)
        if self._pending >= _STRIDE:
            joined = "".join(self._pieces)
            whole = len(joined) - len(joined) % _STRIDE
            for first in range(0, whole, _STRIDE):
                self._write_stride(joined[first : first + _STRIDE])
            self._pieces, self._pending = [joined[whole:]], len(joined) - whole

    def close(self) -> None:
        """Ends the file."""
        if self._pending:
            self._write_stride("".join(self._pieces))
        self._file.close()

    def part(self, start: int, stop: int) -> StagedText:
        """Returns where the characters at positions `start` to `stop` are, once the file is closed."""
        first, last = start // _STRIDE, -(-stop // _STRIDE)
        return StagedText(
            self.path, start, stop, self._offsets[first], self._offsets[max(first, last)], start - first * _STRIDE
        )

    def parts(self, start: int, stop: int) -> Iterator[StagedText]:
        """Yields the parts of a range, each small enough to be in memory."""
        while start < stop:
            end = min(start - start % _STRIDE + _STRIDE, stop)
            yield self.part(start, end)
            start = end

    def _write_stride(self, text: str) -> None:
        encoded = text.encode()
        self._file.write(encoded)
        self._offsets.append(self._offsets[-1] + len(encoded))


def to_code_points(text: str) -> CodePoints:
    """Returns the code points of a text: uint32 [N]."""
    points: npt.NDArray[np.uint32] = np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32, copy=False)
    return points
