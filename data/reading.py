"""Reading text as a stream: decoded, cleaned, in blocks.

The text does not depend on the blocks: they end only where neither lower case nor composition looks across, so that cleaning
a block at a time gives what cleaning the whole text would.
"""

import codecs
import unicodedata
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from data.errors import CorpusError
from data.files import DataFile

# Bytes read at a time: large enough for the work to be in C, small enough for any machine.
_READ_BYTES = 1 << 20

# So many characters without a letter, digit or space are not a text, and could exhaust the memory.
_LONGEST_UNCUT = 1 << 22

# General categories of characters that stand alone: other letters, punctuation and marks may combine with what precedes
# them or be looked across when a capital sigma is lowered.
_PLAIN_CATEGORIES = frozenset(("Lu", "Ll", "Lo", "Nd", "No", "Zs", "Sc", "Sm", "So"))


def read_text(
    file: DataFile, encoding: str = "utf-8", lowercase: bool = False, nfc: bool = True, read_bytes: int = _READ_BYTES
) -> Iterator[str]:
    """Yields the text of a file in blocks, in order.

    A byte order mark at its beginning is no part of it, and CR LF is LF.

    Args:
      file: Which file.
      encoding: One that Python knows by name.
      lowercase: Whether to lower it.
      nfc: Whether to compose it (Unicode's normalization form C): e and a combining acute are then é, one character.
      read_bytes: Bytes to read at a time; the text is the same for any.

    Raises:
      CorpusError: The file cannot be read, or has a byte that is not of this encoding.
    """
    carried = ""
    for decoded in _decode(file, encoding, read_bytes):
        text = carried + decoded
        cut = _last_cut(text)
        if len(text) - cut > _LONGEST_UNCUT:
            raise CorpusError(
                f"{file.path}: {_LONGEST_UNCUT:,} characters without a letter, digit or space; is it a text?"
            )
        carried = text[cut:]
        if cut:
            yield _clean(text[:cut], lowercase, nfc)
    if carried:
        yield _clean(carried, lowercase, nfc)


def _clean(text: str, lowercase: bool, nfc: bool) -> str:
    text = text.replace("\r\n", "\n")
    if lowercase:
        text = text.lower()
    return unicodedata.normalize("NFC", text) if nfc else text


def _last_cut(text: str) -> int:
    """Returns where the last place in a text is at which it may be cut, 0 if there is none.

    That is between two characters that stand alone: the second does not combine with what precedes it, and a capital sigma
    (the one letter whose lower case depends on its neighbours) on either side is decided by them.
    """
    for index in range(len(text) - 1, 0, -1):
        if _stands_alone(text[index]) and _stands_alone(text[index - 1]):
            return index
    return 0


def _stands_alone(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in " \n\t"
    if (
        character == "Σ" or "\u1100" <= character <= "\u11ff"
    ):  # Hangul's conjoining letters combine though they are letters
        return False
    return unicodedata.category(character) in _PLAIN_CATEGORIES


def _decode(file: DataFile, encoding: str, read_bytes: int) -> Iterator[str]:
    """Yields the characters of a file, without a byte order mark."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, at_start = 0, True
    for chunk in _read(file, read_bytes):
        # Bytes of a character that the chunk before began; the error counts from there.
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
            text.encode("utf-32-le")
        except UnicodeEncodeError as error:  # escapes of some encodings
            raise CorpusError(
                f"{file.path}: {error.object[error.start]!r} is half a surrogate pair, no character; convert the file to UTF-8"
            ) from None
        except UnicodeDecodeError as error:
            at = position - pending + error.start
            raise CorpusError(
                f"{file.path}: byte {at:,} (0x{error.object[error.start]:02x}) is not {encoding} ({error.reason}); name the "
                "file's encoding, such as --set data.encoding=latin-1, or convert it to UTF-8"
            ) from None
        position += len(chunk)
        if at_start and text:
            text, at_start = text.removeprefix("\ufeff"), False
        if text:
            yield text


def _read(file: DataFile, read_bytes: int) -> Iterator[bytes]:
    """Yields the bytes of a file, an empty string at its end."""
    try:
        with file.open() as content:
            yield from _chunks(content, read_bytes)
    except (OSError, EOFError, zlib.error) as error:
        # Beam and the unpackers raise these; gzip's for a file that is not gzip, or that was cut off.
        raise CorpusError(f"cannot read {file.path}: {error}; check the file, or fetch it again") from error


def _chunks(content: BinaryIO, read_bytes: int) -> Iterator[bytes]:
    while chunk := content.read(read_bytes):
        yield chunk
    yield b""
