"""Text encodings by name."""

import codecs
import os

from data.errors import CorpusError


def check_encoding(encoding: str) -> None:
    """Checks that Python can read a text encoding piece by piece.

    Raises:
      CorpusError: It knows no such encoding.
    """
    try:
        codecs.getincrementaldecoder(encoding)
        b"a".decode(encoding)
    except UnicodeDecodeError:
        pass  # an encoding of two or more bytes for each character
    except (LookupError, TypeError, ValueError):
        raise CorpusError(
            f"encoding is {encoding!r}, and Python knows no such text encoding; there are utf-8, utf-16, latin-1, cp1252, "
            "shift_jis, gb18030 and others"
        ) from None


def shown_without_utf8(text: str) -> str:
    """Returns how a message shows a path or an argument whose bytes are not UTF-8; empty if they are."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode(errors="backslashreplace")
    return ""
