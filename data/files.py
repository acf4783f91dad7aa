"""Which files an input is made of: files, globs, folders, patterns with spans; and how a file is opened."""

import bz2
import contextlib
import dataclasses
import difflib
import gzip
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from data import patterns
from data.encodings import shown_without_utf8
from data.errors import DataError
from data.spans import has_span, latest_spans


def _open_zstd(packed: BinaryIO) -> contextlib.AbstractContextManager[Any]:
    # Unlike the package zstandard, Arrow notices the end of a file that was cut off.
    return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")  # type: ignore[no-any-return]


_UNPACKERS: dict[str, Callable[[BinaryIO], contextlib.AbstractContextManager[Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".zst": _open_zstd,
}

PACKED = tuple(_UNPACKERS)

# An error names so many files.
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class DataFile:
    """One file of an input.

    Attributes:
      name: Its path within the input: the same wherever the input lies.
      path: What is opened.
      size: In bytes, as it lies there.
      modified: Time of its last change, in seconds since 1970; 0 where the file system does not say.
    """

    name: str
    path: str
    size: int = 0
    modified: float = 0.0

    @property
    def identity(self) -> tuple[str | float, ...]:
        """What a cached result depends on: path, size and time of the last change."""
        return self.path, self.size, self.modified

    def is_changed(self) -> bool:
        """Returns whether a local file has changed since it was found, or is gone; object stores replace files as a whole."""
        if patterns.is_remote(self.path):
            return False
        try:
            status = os.stat(self.path)
        except OSError:
            return True
        return (status.st_size, status.st_mtime) != (self.size, self.modified)

    @property
    def ending(self) -> str:
        """What the name ends in, in lower case, such as `.tsv`; what it is packed with left off."""
        return split_ending(self.path)[0]

    @property
    def packing(self) -> str:
        """`.gz`, `.bz2` or `.zst` if its name ends in that, whatever the case; otherwise empty."""
        return split_ending(self.path)[1]

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file, unpacked if its name ends in .gz, .bz2 or .zst.

        Raises:
          OSError, EOFError, zlib.error: It cannot be opened, or later, while it is read: it is not what its name says, or was
            cut off.
        """
        unpack = _UNPACKERS.get(self.packing, contextlib.nullcontext)
        # Beam's own unpacking stops in silence at the end of a file that was cut off.
        with (
            FileSystems.open(self.path, compression_type=CompressionTypes.UNCOMPRESSED) as packed,
            unpack(packed) as content,
        ):
            yield content


@dataclasses.dataclass(frozen=True)
class FoundFiles:
    """The files of an input.

    Attributes:
      files: In the order of the inputs, those of one input in the order of their names; none twice.
      hidden: Paths of hidden files and folders (their names begin with a dot) that folders and globs have and that are left
        out.
      others: Paths of files that folders have and that are left out because of their endings.
    """

    files: tuple[DataFile, ...]
    hidden: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def split_ending(path: str) -> tuple[str, str]:
    """Returns what a path ends in, without regard to case: `("a/B.TSV.gz")` gives `.tsv` and `.gz`; either may be empty."""
    stem, ending = os.path.splitext(path)
    if ending.lower() not in _UNPACKERS:
        return ending.lower(), ""
    return os.path.splitext(stem)[1].lower(), ending.lower()


def find_files(
    inputs: str | Sequence[str], endings: Sequence[str], setting: str = "data.files", spans: int = 1
) -> FoundFiles:
    """Returns the files of one or several inputs.

    Args:
      inputs: On any file system that Beam knows, each a file, a folder (every file in it with one of the endings, however
        deep), a glob (`texts/**/*.md`), or a pattern with `{SPAN}` and perhaps `{VERSION}`; `~` is the home folder. What
        exists under a name is that, whatever wildcards the name may have.
      endings: What is read in a folder, such as `.txt`, without regard to case, packed or not. A file or glob that is named
        may end in anything.
      setting: What the user calls the input, for messages.
      spans: How many spans of such a pattern, the latest.

    Raises:
      DataError: An input names no file, or cannot be looked at.
    """
    names = [inputs] if isinstance(inputs, str) else list(inputs)
    if not names or not all(names):
        raise DataError(f"{setting} is empty; name a file, a folder or a glob: --set {setting}='mine/*{endings[0]}'")
    files: dict[str, DataFile] = {}
    hidden: list[str] = []
    others: list[str] = []
    for name in names:
        matched = _match(os.path.expanduser(name), endings, setting, spans, others)
        hidden += matched.hidden
        for file in matched.files:
            _check_utf8(file.path)
            relative = file.path.removeprefix(matched.root).lstrip("/") if matched.root else file.path
            files.setdefault(file.path, DataFile(relative, file.path, file.size, file.modified))
    return FoundFiles(tuple(files.values()), tuple(dict.fromkeys(hidden)), tuple(dict.fromkeys(others)))


def _check_utf8(path: str) -> None:
    """Checks a file's name: it goes into reports, lineage and messages."""
    if shown := shown_without_utf8(path):
        raise DataError(f"the name of {shown} is not UTF-8; rename the file")


def fingerprint(files: Iterable[DataFile]) -> str:
    """Returns a hash of what a cached result depends on."""
    return hashlib.sha256(repr([file.identity for file in files]).encode()).hexdigest()


def _match(name: str, endings: Sequence[str], setting: str, spans: int, others: list[str]) -> patterns.Matches:
    try:
        matched = patterns.match(name)
    except OSError as error:
        raise DataError(f"cannot look for {name!r}: {error}; check {setting} and the rights of its folders") from None
    except ValueError as error:  # Beam's own message names the file system that it lacks
        raise DataError(f"cannot look for {name!r}: {error}; check {setting}") from None
    files = matched.files
    if matched.is_folder:
        files = [file for file in files if split_ending(file.path)[0] in endings]
        left = {file.path for file in matched.files} - {file.path for file in files}
        others += sorted(left)
        if not files:
            raise DataError(_empty_folder(name, endings, setting, sorted(left) or matched.hidden))
    elif has_span(name) and not (len(files) == 1 and files[0].path == name):
        files = latest_spans(name, files, spans)
    if not files:
        raise DataError(_nothing(name, endings, setting, matched.hidden))
    return dataclasses.replace(matched, files=files)


def _empty_folder(name: str, endings: Sequence[str], setting: str, others: list[str]) -> str:
    has = f"it has {_list(os.path.relpath(path, name) for path in others)}" if others else "it is empty"
    return (
        f"no file in the folder {name!r} ends in {', '.join(endings)} ({has}); name a file or a glob in {setting} to read "
        "files with other endings"
    )


def _nothing(name: str, endings: Sequence[str], setting: str, hidden: list[str]) -> str:
    """Returns what to say of an input that names nothing: where it was looked for and what is there."""
    if patterns.is_remote(name):
        return f"no file matches {name!r}; check {setting}"
    if os.path.exists(name):
        return f"{name!r} is no file that can be read more than once, such as a pipe; save its content in a file for {setting}"
    if os.path.islink(name):
        return f"{name!r} is a link to {os.readlink(name)!r}, where nothing is; correct {setting} or the link"
    folder, missing = os.path.dirname(name.rstrip("/")), os.path.basename(name.rstrip("/"))
    while folder and not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder, missing = os.path.dirname(folder), os.path.basename(folder)
    try:
        there = sorted(entry for entry in os.listdir(folder or ".") if not entry.startswith("."))
    except OSError:
        there = []
    # Without regard to case: a wrong case is the commonest mistake.
    by_lower = {entry.lower(): entry for entry in there}
    near = [by_lower[close] for close in difflib.get_close_matches(missing.lower(), by_lower, n=_NAMED, cutoff=0.5)]
    where = f"{os.path.join(os.getcwd(), folder)!r}" if not os.path.isabs(name) else f"{folder!r}"
    found = f"nearest there: {_list(near)}" if near else f"there: {_list(there)}" if there else "nothing is there"
    left = f"; hidden files are left out: {_list(hidden)}" if hidden else ""
    relative = "" if os.path.isabs(name) else f" (a relative path starts at {os.getcwd()})"
    return (
        f"no file matches {name!r}{relative}: {where} has no {missing!r} ({found}{left}); name in {setting} a file, a glob, "
        f"or a folder with {', '.join(endings)}"
    )


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(repr(name) for name in shown[:_NAMED]) + (
        f" and {len(shown) - _NAMED:,} more" if len(shown) > _NAMED else ""
    )
