"""Which files a corpus is made of: a name of the catalogue, a file, a glob, a folder, or a pattern with spans."""

import bz2
import contextlib
import dataclasses
import gzip
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from data import catalogue
from data.errors import CorpusError
from data.spans import has_span, latest_spans

# What is read in a folder; a file or glob that is named may end in anything.
_ENDINGS = (".txt", ".txt.gz", ".txt.bz2")

_UNPACKERS: dict[str, Callable[[BinaryIO], contextlib.AbstractContextManager[Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
}

# Where a pattern stops being a path: at a wildcard or a placeholder.
_WILDCARD = re.compile(r"[*?\[{]")


@dataclasses.dataclass(frozen=True)
class CorpusFile:
    """One file of a corpus.

    Attributes:
      name: Its path within the corpus: the same wherever the corpus lies.
      path: What is opened; for a corpus of the catalogue its name there.
    """

    name: str
    path: str

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file, unpacked if its name ends in .gz or .bz2."""
        if self.path in catalogue.SUMMARIES:
            with catalogue.open_corpus(self.path) as content:
                yield content
            return
        unpack = _UNPACKERS.get(os.path.splitext(self.path)[1], contextlib.nullcontext)
        # Beam's own unpacking stops in silence at the end of a file that was cut off.
        with (
            FileSystems.open(self.path, compression_type=CompressionTypes.UNCOMPRESSED) as packed,
            unpack(packed) as content,
        ):
            yield content


def find_files(corpus: str, spans: int = 1) -> list[CorpusFile]:
    """Returns the files of a corpus in the order of their names.

    Args:
      corpus: A name of the catalogue; or, on any file system that Beam knows, a file, a glob (`texts/**/*.md`), a folder
        (every .txt, .txt.gz and .txt.bz2 in it, however deep), or a pattern with `{SPAN}` and perhaps `{VERSION}`.
      spans: How many spans of such a pattern, the latest.

    Raises:
      CorpusError: There is no such file.
    """
    if corpus in catalogue.SUMMARIES:
        return [CorpusFile(corpus, corpus)]
    # No shell does it for `--set data.corpus=~/texts`.
    corpus = os.path.expanduser(corpus)
    if has_span(corpus):
        paths, root = latest_spans(corpus, spans), _fixed_folder(corpus)
    else:
        paths, root = _match(corpus)
    if not paths:
        raise CorpusError(
            f"no text matches {corpus!r}: it names neither a file, nor a glob, nor a folder with {', '.join(_ENDINGS)} "
            f"(a relative path starts at {os.getcwd()}), nor a corpus of the catalogue ({', '.join(catalogue.SUMMARIES)}); "
            "check data.corpus"
        )
    return sorted((CorpusFile(_relative(path, root), path) for path in paths), key=lambda file: file.name)


def fingerprint(corpus: str, spans: int = 1) -> str:
    """Returns a hash of what a cached result depends on: name, size and time of last change of each file."""
    if corpus in catalogue.SUMMARIES:
        return catalogue.identity(corpus)
    described = []
    for file in find_files(corpus, spans):
        matched = FileSystems.match([file.path])[0].metadata_list
        described.append((file.path, [(m.size_in_bytes, m.last_updated_in_seconds) for m in matched]))
    return hashlib.sha256(repr(described).encode()).hexdigest()


def _match(corpus: str) -> tuple[list[str], str]:
    """Returns the paths of a file, glob or folder, and the folder that their names are relative to."""
    if os.path.isfile(corpus):  # whatever wildcards its name may have
        return [corpus], os.path.dirname(corpus)
    try:
        # Of a folder here Beam would return the folder.
        if not os.path.isdir(corpus) and (paths := _glob(corpus)):
            return paths, _fixed_folder(corpus)
        folder = corpus.rstrip("/")
        return [path for path in _glob(f"{folder}/**") if path.endswith(_ENDINGS)], folder
    except ValueError as error:  # Beam's own message names the file system that it lacks
        raise CorpusError(f"cannot look for {corpus!r}: {error}; check data.corpus") from None


def _glob(pattern: str) -> list[str]:
    return [metadata.path for metadata in FileSystems.match([pattern])[0].metadata_list]


def _fixed_folder(pattern: str) -> str:
    """Returns the folder above the first wildcard or placeholder of a pattern."""
    found = _WILDCARD.search(pattern)
    return os.path.dirname(pattern[: found.start()] if found else pattern)


def _relative(path: str, root: str) -> str:
    return path.removeprefix(root).lstrip("/") if root else path
