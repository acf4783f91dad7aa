"""Standard output and standard error of the command: a failure to write the one ends it in one line, the other may fail."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(click.ClickException):
    """Standard output cannot be written: one line, exit status 1."""

    kind = "output"
    meaning = "Standard output cannot be written, for example because its disk is full. The output is not whole."
    remedy = "Write to another place, and run the command again."

    exit_code = 1


class _Output(io.FileIO):
    """Standard output. Its first failure is raised; then nothing more is tried."""

    _failed = False

    def write(self, data: "ReadableBuffer", /) -> int:
        if not self._failed:
            try:
                return super().write(data)
            except BrokenPipeError:
                raise  # the reader wants no more, as `head` does; Click ends the command without a word
            except OSError as error:
                self._failed = True
                reason = error.strerror
            raise OutputError(f"standard output cannot be written: {reason}; the output is not whole")
        return memoryview(data).nbytes


class _Notes(io.FileIO):
    """Standard error. No work is lost because nobody can hear of it."""

    def write(self, data: "ReadableBuffer", /) -> int:
        with contextlib.suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


@contextlib.contextmanager
def checked_streams() -> Iterator[None]:
    """Has everything that is written to standard output and error pass through the streams above.

    A stream that the caller has closed is taken for one that cannot be written. Streams that a program has put instead of
    the process's own are left alone.
    """
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        yield
        return
    _occupy_closed()
    before = sys.stdout, sys.stderr
    sys.stdout = _text(_Output(1, "w", closefd=False), before[0])
    sys.stderr = _text(_Notes(2, "w", closefd=False), before[1], errors="backslashreplace")
    try:
        yield
    finally:
        status = None
        try:
            sys.stdout.flush()
        except OutputError as error:
            error.show()
            status = error.exit_code
        except BrokenPipeError:
            status = 1
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
        if status is not None:
            sys.exit(status)


def _occupy_closed() -> None:
    """Opens something instead of closed standard streams, so that no file of the program gets their numbers."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # takes the lowest number; to write there fails


def _text(raw: io.FileIO, like: io.TextIOBase | None, errors: str = "strict") -> io.TextIOWrapper:
    encoding = getattr(like, "encoding", None) or "utf-8"
    errors = getattr(like, "errors", None) or errors
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=raw.isatty())
