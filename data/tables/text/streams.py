"""The bytes of a file as UTF-8, whatever it is packed and encoded with; and what its errors become."""

import codecs
import contextlib
import zlib
from collections.abc import Iterator

from data.errors import TableError
from data.files import DataFile

# Large enough for the work to be in C, small enough for the caches and for any machine.
_READ_BYTES = 1 << 20

# UTF-32's begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_UNDECODABLE = "charseq-undecodable"


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    """Puts half a surrogate pair where bytes are of no character: the record that has it is then no UTF-8."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_UNDECODABLE, _mark_undecodable)


@contextlib.contextmanager
def readable(file: DataFile) -> Iterator[None]:
    """Turns what is raised while a file is opened and read into an error that names it.

    Raises:
      TableError: The file cannot be read.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        # Beam and the unpackers raise these; gzip's for a file that is not gzip, or that was cut off.
        packed = f" (its name ends in {file.packing})" if file.packing else ""
        raise TableError(
            file.path, f"cannot be read: {error}{packed}", "check the file and its rights, or fetch it again"
        ) from error


def find_encoding(head: bytes, stated: str) -> tuple[str, int]:
    """Returns the encoding of a file and how many bytes its byte order mark has.

    Args:
      head: The first bytes of the file, 4 or more if it has so many.
      stated: The encoding that was asked for. A mark wins over utf-8, and says the byte order of utf-16 and utf-32.
    """
    name = codecs.lookup(stated).name
    marked = next(((mark, encoding) for mark, encoding in _MARKS if head.startswith(mark)), None)
    if name in ("utf-8", "utf-8-sig"):
        return (marked[1], len(marked[0])) if marked else ("utf-8", 0)
    if name in ("utf-16", "utf-32"):
        # Without a mark the machine that reads must not decide.
        matches = marked is not None and marked[1].startswith(name)
        return (marked[1], len(marked[0])) if matches and marked else (f"{name}-le", 0)
    return (name, len(marked[0])) if marked and marked[1] == name else (name, 0)


def can_be_cut(encoding: str) -> bool:
    """Returns whether a file of this encoding can be cut at the bytes of ASCII's line ends: UTF-8, and one byte a character."""
    if encoding == "utf-8":
        return True
    every = bytes(range(256))
    try:
        return len(every.decode(encoding, "replace")) == 256 and every[:128].decode(encoding) == every[:128].decode(
            "ascii"
        )
    except UnicodeError:
        return False


def read_utf8(file: DataFile, encoding: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """Yields the bytes of a file as UTF-8. What cannot be decoded becomes bytes that are no UTF-8.

    Args:
      file: Which file.
      encoding: What its bytes are.
      start: The first byte, once unpacked; a packed file is read from its beginning.
      stop: Behind the last byte; None is the end of the file.

    Raises:
      TableError: The file cannot be read.
    """
    chunks = _read(file, start, stop)
    if encoding == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)(_UNDECODABLE)
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _read(file: DataFile, start: int, stop: int | None) -> Iterator[bytes]:
    with readable(file), file.open() as content:
        if file.packing:
            content.read(start)
        else:
            content.seek(start)
        position = start
        while stop is None or position < stop:
            chunk = content.read(_READ_BYTES if stop is None else min(_READ_BYTES, stop - position))
            if not chunk:
                return
            position += len(chunk)
            yield chunk
