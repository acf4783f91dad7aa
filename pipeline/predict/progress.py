"""How far a batch prediction is, on standard error: rows, rate, and the time that is left."""

import sys
import time
from typing import TextIO

_REDRAW_SECONDS = 0.5
_LINE_SECONDS = 10.0


class Progress:
    """A line that is redrawn in a terminal; anywhere else a line every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Begins to count the time.

        Args:
          stream: Where the lines go; standard error by default.
        """
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._began = self._shown = time.monotonic()
        self._rows_before = 0
        self._share_before = 0.0
        self._has_line = False

    def resume(self, rows: int, share: float) -> None:
        """Tells what an earlier process has done: the rate does not count it."""
        self._rows_before, self._share_before = rows, share
        self._stream.write(f"  going on behind {rows:,} rows that are done\n")
        self._stream.flush()

    def update(self, rows: int, share: float, bad: int) -> None:
        """Shows the state, if it is time.

        Args:
          rows: Rows that are done in all.
          share: How much of the input that is, 0 to 1; 0 if it is not known.
          bad: How many of them have no answer.
        """
        now = time.monotonic()
        if now - self._shown < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._shown = now
        text = f"  {rows:,} rows, {self.rate(rows):,.0f} a second"
        done = share - self._share_before
        if done > 0:
            text += f", {_duration((now - self._began) * (1 - share) / done)} left"
        if bad:
            text += f", {bad:,} bad"
        self._stream.write(f"\r{text}\x1b[K" if self._is_terminal else f"{text}\n")
        self._stream.flush()
        self._has_line = True

    def rate(self, rows: int) -> float:
        """Returns rows a second since this process began."""
        return (rows - self._rows_before) / max(time.monotonic() - self._began, 1e-9)

    def end(self) -> None:
        """Removes the line from a terminal."""
        if self._is_terminal and self._has_line:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began


def _duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
