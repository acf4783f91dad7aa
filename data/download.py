"""Files that are downloaded once: cleaned, checked and kept in the user's cache folder."""

import dataclasses
import hashlib
import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import BinaryIO

from data.errors import CorpusError
from data.whole_files import write_whole

_LOG = logging.getLogger("charseq.data")

# A book is about 1 MB. What is larger is not what was asked for.
_LARGEST_BYTES = 16 << 20

# For a connection that stalls, and for one that trickles.
_STALLED_SECONDS = 20
_LONGEST_SECONDS = 300

_CHUNK_BYTES = 1 << 16
_PROGRESS_SECONDS = 2.0

# Project Gutenberg's header ends and its footer begins with such a line; in some editions it goes on over a second line.
_START = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK[^*]*\*\*\*", re.MULTILINE)
_END = re.compile(r"^\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG EBOOK[^*]*\*\*\*", re.MULTILINE)


def _as_it_is(raw: bytes) -> bytes:
    return raw


@dataclasses.dataclass(frozen=True)
class Download:
    """A file that is downloaded.

    Attributes:
      name: What it is called.
      address: Where it is, a URL. The copy in the cache has the same ending.
      sha256: SHA-256 of its bytes after the cleaning.
      setting: The setting that a user sets to use a file of their own instead, for messages.
      clean: Makes what is read of what is downloaded. It leaves its own result as it is, and raises UnicodeDecodeError.
    """

    name: str
    address: str
    sha256: str
    setting: str = "data.corpus"
    clean: Callable[[bytes], bytes] = _as_it_is

    @property
    def ending(self) -> str:
        """What the address ends in, such as `.txt`."""
        return os.path.splitext(self.address)[1]

    @property
    def cache_path(self) -> str:
        """Where this user's copy is kept."""
        return cache_path(self.name, self.ending)


def cache_folder() -> str:
    """Returns where this user's copies of what is downloaded are kept; the folder may not exist yet."""
    # The XDG base directory specification: a relative path is to be ignored.
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):
        root = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(root, "charseq")


def cache_path(name: str, ending: str = ".txt") -> str:
    """Returns where a downloaded file is kept."""
    return os.path.join(cache_folder(), f"{name}{ending}")


def open_download(download: Download) -> BinaryIO:
    """Opens a file that is downloaded, from the cache if it is there.

    A copy that a user has put into the cache may still have its header and footer: it is cleaned as a download is.

    Raises:
      CorpusError: It cannot be downloaded, or what came or what is in the cache is another file.
    """
    path = download.cache_path
    if not os.path.exists(path):
        _write(path, _check(download, _fetch(download), download.address))
    else:
        cached = _read_limited(path)
        cleaned = _check(download, cached, path)
        if cleaned != cached:
            _write(path, cleaned)
    return open(path, "rb")


def clean(raw: bytes) -> bytes:
    r"""Returns the text of a Project Gutenberg file: what stands between its header and its footer.

    Byte order mark and carriage returns go; one empty line is left in front and behind. A text that is clean stays as it is.
    """
    text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    if start := _START.search(text):
        text = text[start.end() :]
    if end := _END.search(text):
        text = text[: end.start()]
    return f"\n{text.strip()}\n\n".encode()


def _check(download: Download, raw: bytes, source: str) -> bytes:
    """Returns the cleaned file if it is the one that is known."""
    try:
        cleaned = download.clean(raw)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{source} is no UTF-8 text (byte {error.start:,}); {_remedy(download)}") from None
    found = hashlib.sha256(cleaned).hexdigest()
    if found == download.sha256:
        return cleaned
    changed = cache_path(f"{download.name}-{found[:8]}", download.ending)
    _write(changed, cleaned)
    once = "once cleaned its" if cleaned != raw else "its"
    raise CorpusError(
        f"{source} is not {download.name!r} of the catalogue: {once} sha256 is {found}, not {download.sha256}; "
        f"it may be a newer edition: to use it all the same, --set {download.setting}={changed}. Otherwise: "
        f"{_remedy(download)}"
    )


def _remedy(download: Download) -> str:
    return (
        f"put a copy of {download.address} at {download.cache_path}, or use a file of your own: "
        f"--set {download.setting}=/path/to/your/copy"
    )


def _fetch(download: Download) -> bytes:
    """Returns what is at the address."""
    _LOG.info("downloading %s", download.address)
    request = urllib.request.Request(download.address, headers={"User-Agent": "charseq"})  # noqa: S310 (of the catalogue)
    try:
        # Proxies are those that the environment names.
        with urllib.request.urlopen(request, timeout=_STALLED_SECONDS) as response:  # noqa: S310
            return _receive(download, response)
    except (OSError, http.client.HTTPException, urllib.error.URLError) as error:
        reason = f"{error.reason}" if isinstance(error, urllib.error.URLError) else f"{type(error).__name__}: {error}"
        raise CorpusError(f"cannot download {download.address} ({reason}); {_remedy(download)}") from None


def _receive(download: Download, response: http.client.HTTPResponse) -> bytes:
    received = bytearray()
    start = reported = time.monotonic()
    while chunk := response.read(_CHUNK_BYTES):
        received += chunk
        now = time.monotonic()
        if len(received) > _LARGEST_BYTES:
            raise CorpusError(f"{download.address} has more than {_LARGEST_BYTES:,} bytes; {_remedy(download)}")
        if now - start > _LONGEST_SECONDS:
            raise CorpusError(
                f"{download.address} sent {len(received):,} bytes in {_LONGEST_SECONDS} s; try again, or "
                f"{_remedy(download)}"
            )
        if now - reported > _PROGRESS_SECONDS:
            reported = now
            _LOG.info("%s: %s bytes", download.address, f"{len(received):,}")
    expected = response.headers.get("Content-Length", "")
    if expected.isdecimal() and len(received) != int(expected):
        raise CorpusError(
            f"{download.address} broke off after {len(received):,} of {int(expected):,} bytes; try again, or "
            f"{_remedy(download)}"
        )
    _LOG.info("%s: %s bytes in %.1f s", download.address, f"{len(received):,}", time.monotonic() - start)
    return bytes(received)


def _read_limited(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise CorpusError(f"{path} has more than {_LARGEST_BYTES:,} bytes; remove it, it is no file of the catalogue")
    return content


def _write(path: str, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise CorpusError(
            f"cannot write {path} ({error.strerror}); set XDG_CACHE_HOME to a folder that can be written"
        ) from None
