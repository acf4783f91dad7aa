"""The catalogue: texts and tables that are known by name.

One more that is downloaded is an address and the sha256 of its cleaned bytes in `DOWNLOADS`, and a line in `TEXTS` or `TABLES`.
"""

import functools
import hashlib
import importlib.resources
import io
import os
from collections.abc import Mapping
from typing import BinaryIO

from data import g2p
from data.download import Download, clean, open_download
from data.errors import CorpusError

PYTHON_DOCS = "python-docs"
SHERLOCK = "sherlock"
CMUDICT = "cmudict"
MILK = "milk"

# What there is, for a person to read: the texts, which `data.corpus` may name,
TEXTS: Mapping[str, str] = {
    PYTHON_DOCS: "the manual that CPython itself carries (pydoc_data.topics), about 465,000 characters; needs no network",
    SHERLOCK: "The Adventures of Sherlock Holmes (Project Gutenberg number 1661), 562,205 characters; downloaded once",
}

# and the tables, which `data.files` may name.
TABLES: Mapping[str, str] = {
    MILK: "monthly milk production, pounds per cow, 1962 to 1975 (Cryer 1986), 168 values; needs no network",
    CMUDICT: "the CMU Pronouncing Dictionary, 135,000 pronunciations of English words; downloaded once",
    **{
        name: f"SIGMORPHON's 2020 shared task 1, {name.removeprefix('g2p-')}: words and their phones; downloaded once"
        for name in g2p.downloads()
    },
}

# Those that lie beside this module.
_BUNDLED: Mapping[str, str] = {MILK: "milk.csv"}

DOWNLOADS: Mapping[str, Download] = {
    # Its author died in 1930: out of copyright everywhere.
    SHERLOCK: Download(
        name=SHERLOCK,
        address="https://www.gutenberg.org/cache/epub/1661/pg1661.txt",
        sha256="e21895308fe6da6919abc53e2cf77d81f914887897546153cc5d49b2eadefe50",
        clean=clean,
    ),
    # A licence like BSD's.
    CMUDICT: Download(
        name=CMUDICT,
        address="https://raw.githubusercontent.com/cmusphinx/cmudict/0f8072f814306c5ee4fbf992ed853601b12c01f9/cmudict.dict",
        sha256="81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22",
        setting="data.files",
    ),
    **g2p.downloads(),
}


def open_corpus(name: str) -> BinaryIO:
    """Opens a text or table of the catalogue, cleaned.

    Raises:
      CorpusError: It cannot be had, or is not what it was.
    """
    return io.BytesIO(_own(name)) if _is_own(name) else open_download(DOWNLOADS[name])


def identity(name: str) -> str:
    """Returns what changes with the content of a text or table of the catalogue; downloads nothing."""
    return hashlib.sha256(_own(name)).hexdigest() if _is_own(name) else DOWNLOADS[name].sha256


def ending(name: str) -> str:
    """Returns the ending of the file of a text or table of the catalogue; empty if there is no such entry."""
    if name in _BUNDLED:
        return os.path.splitext(_BUNDLED[name])[1]
    return DOWNLOADS[name].ending if name in DOWNLOADS else ""


def _is_own(name: str) -> bool:
    """Returns whether a text or table of the catalogue needs no download."""
    return name == PYTHON_DOCS or name in _BUNDLED


def _own(name: str) -> bytes:
    if name == PYTHON_DOCS:
        return _python_docs()
    return importlib.resources.files("data").joinpath(_BUNDLED[name]).read_bytes()


@functools.cache
def _python_docs() -> bytes:
    """Returns the topics in the order of their names, an empty line between two.

    The text is that of the Python that runs this: another version, or another maker's build, may have another.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise CorpusError(
            f"the corpus {PYTHON_DOCS!r} is not there: this Python comes without pydoc_data; install Python's whole "
            "standard library, or name a file of your own: --set data.corpus=/path/to/your/text"
        ) from None
    return "\n".join(topics[name] for name in sorted(topics)).encode()
