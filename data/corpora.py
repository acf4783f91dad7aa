"""Which files a text or some tables are made of: names of the catalogue, or files."""

import contextlib
import dataclasses
import difflib
from collections.abc import Collection, Iterator, Sequence
from typing import BinaryIO

from data import catalogue, files
from data.errors import CorpusError, DataError
from data.files import DataFile, FoundFiles
from data.tables.options import ENDINGS

# What is read in a folder of texts; a file or glob that is named may end in anything.
_TEXT_ENDINGS = (".txt",)

# An error names all of a catalogue if it has so few names, otherwise the nearest ones.
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class CatalogueFile(DataFile):
    """A text or table of the catalogue; its path is its name there."""

    @property
    def identity(self) -> tuple[str | float, ...]:
        """Its name, and a hash of its content."""
        return self.path, catalogue.identity(self.path)

    def is_changed(self) -> bool:
        """Returns False: what is downloaded is compared with its hash."""
        return False

    @property
    def ending(self) -> str:
        """What the name of its file ends in."""
        return catalogue.ending(self.path)

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file; the first time it may be downloaded.

        Raises:
          CorpusError: It cannot be had, or is not what it was.
        """
        with catalogue.open_corpus(self.path) as content:
            yield content


def find_corpus(corpus: str, spans: int = 1) -> FoundFiles:
    """Returns the files of a corpus in the order of their names.

    Args:
      corpus: A text of the catalogue; or what `data.files.find_files` takes, of which a folder means every .txt in it.
      spans: How many spans of a pattern with `{SPAN}`, the latest.

    Raises:
      CorpusError: There is no such file.
    """
    found = _find(corpus, catalogue.TEXTS, _TEXT_ENDINGS, "data.corpus", spans)
    return dataclasses.replace(found, files=tuple(sorted(found.files, key=lambda file: file.name)))


def find_tables(inputs: Sequence[str], setting: str = "data.files", spans: int = 1) -> FoundFiles:
    """Returns the files of some tables, in the order of the inputs; none twice.

    Args:
      inputs: Each a table of the catalogue, or what `data.files.find_files` takes.
      setting: What the user calls them, for messages.
      spans: How many spans of a pattern with `{SPAN}`, the latest.

    Raises:
      DataError: There is no such file.
    """
    if not inputs:
        return files.find_files(inputs, ENDINGS, setting, spans)
    groups = [_find(name, catalogue.TABLES, ENDINGS, setting, spans) for name in inputs]
    return FoundFiles(
        files=tuple({file.path: file for found in groups for file in found.files}.values()),
        hidden=tuple(dict.fromkeys(path for found in groups for path in found.hidden)),
        others=tuple(dict.fromkeys(path for found in groups for path in found.others)),
    )


def fingerprint(corpus: str, spans: int = 1) -> str:
    """Returns a hash of what a cached result depends on; downloads nothing."""
    return files.fingerprint(find_corpus(corpus, spans).files)


def _find(name: str, known: Collection[str], endings: Sequence[str], setting: str, spans: int) -> FoundFiles:
    """Returns what one name stands for."""
    if name in known:
        return FoundFiles((CatalogueFile(name, name),))
    try:
        return files.find_files(name, endings, setting, spans)
    except DataError as error:
        close = known if len(known) <= _NAMED else difflib.get_close_matches(name, known, _NAMED, 0.7)
        has = f"; the catalogue has {', '.join(close)}" if close and str(error).startswith("no file matches") else ""
        raise CorpusError(f"{error}{has}") from None
