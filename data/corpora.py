"""Which files a text corpus is made of: a name of the catalogue, or files."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

from data import catalogue, files
from data.errors import CorpusError, DataError
from data.files import DataFile, FoundFiles

# What is read in a folder; a file or glob that is named may end in anything.
_ENDINGS = (".txt",)


@dataclasses.dataclass(frozen=True)
class CatalogueFile(DataFile):
    """A corpus of the catalogue; its path is its name there."""

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the corpus; the first time it may be downloaded."""
        with catalogue.open_corpus(self.path) as content:
            yield content


def find_corpus(corpus: str, spans: int = 1) -> FoundFiles:
    """Returns the files of a corpus in the order of their names.

    Args:
      corpus: A name of the catalogue; or what `data.files.find_files` takes, of which a folder means every .txt in it.
      spans: How many spans of a pattern with `{SPAN}`, the latest.

    Raises:
      CorpusError: There is no such file.
    """
    if corpus in catalogue.SUMMARIES:
        return FoundFiles((CatalogueFile(corpus, corpus),))
    try:
        found = files.find_files(corpus, _ENDINGS, "data.corpus", spans)
    except DataError as error:
        known = (
            f"; the catalogue has {', '.join(catalogue.SUMMARIES)}" if str(error).startswith("no file matches") else ""
        )
        raise CorpusError(f"{error}{known}") from None
    return dataclasses.replace(found, files=tuple(sorted(found.files, key=lambda file: file.name)))


def fingerprint(corpus: str, spans: int = 1) -> str:
    """Returns a hash of what a cached result depends on; downloads nothing."""
    if corpus in catalogue.SUMMARIES:
        return catalogue.identity(corpus)
    return files.fingerprint(find_corpus(corpus, spans).files)
