"""The readable line in the message of a model that refused its input with ``tf.debugging.Assert``."""

import re

_ASSERTION = re.compile(r"assertion failed: \[(?P<said>.*?)(?:\](?: \[|\s*\[\[|\s*$)|\.\.\.TRUNCATED$)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{3}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def reason_of(message: str) -> str:
    r"""Extracts what a failed assertion said.

    TensorFlow wraps the text and escapes it as C would, a character outside of ASCII as a row of octal escapes:
    ``assertion failed: [text[0]: character \"\303\251\" ...]\n\t [[{{node Assert}}]]``.

    Args:
      message: The message of a status.

    Returns:
      The text of the assertion in readable form; for another kind of message its first line.
    """
    found = _ASSERTION.search(message)
    if found is None:
        return message.split("\n", 1)[0].strip()
    raw = found["said"].encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(_unescape, raw).decode("utf-8", "replace").strip()


def _unescape(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    if len(escaped) == 3 and escaped[:1] != b"x":
        return bytes((int(escaped, 8) & 0xFF,))
    if len(escaped) == 3:
        return bytes((int(escaped[1:], 16),))
    return _NAMED.get(escaped, escaped)
