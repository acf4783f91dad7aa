"""Text that users bring, as a page may show it: every character can be seen, and none changes what stands beside it.

A control character, a bidirectional override or a zero-width space becomes its code point, with its name as a title. A text of
the user's is isolated (`<bdi>`), so that a right-to-left one does not turn around the figures or columns beside it.
"""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import markupsafe

from components.cleaning.invisible import describe_code_point, is_invisible

_SPACE = markupsafe.Markup('<span class="sign" title="U+0020 SPACE">␣</span>')

# What a combining mark is shown on if it stands alone.
_DOTTED_CIRCLE = "\u25cc"

_MOST_CODE_POINTS = 10

_RIGHT_TO_LEFT = ("R", "AL")


def plain(value: Any) -> Any:
    """Returns a value for a place where no markup can stand, such as an attribute: text without an invisible character.

    Line feeds stay. What is no text, or is markup already, is returned as it is.
    """
    if not isinstance(value, str) or isinstance(value, markupsafe.Markup) or not any(map(_is_replaced, value)):
        return value
    return "".join(f"U+{ord(c):04X}" if _is_replaced(c) else c for c in value)


def shown(text: str, lines: bool = False) -> markupsafe.Markup:
    """Returns a text of the user's, isolated, with the direction of its first letter.

    Args:
      text: The text.
      lines: Whether a line feed ends a line; otherwise it is shown as a character like the others. Spaces at either end are
        marked if it does not.
    """
    inner = text if lines else text.strip(" ")
    before, after = (0, 0) if lines else (len(text) - len(text.lstrip(" ")), len(text) - len(text.rstrip(" ")))
    if not inner:
        before, after = len(text), 0
    parts = [_SPACE * before, _visible_characters(inner, lines), _SPACE * after]
    return markupsafe.Markup('<bdi class="data">{}</bdi>').format(markupsafe.Markup("").join(parts))


def prose(text: Any) -> markupsafe.Markup:
    """Returns a sentence of ours that may quote the user's data: what is written from right to left in it is isolated."""
    return markupsafe.Markup("").join(
        markupsafe.Markup("<bdi>{}</bdi>").format(_visible_characters(part, True))
        if turned
        else _visible_characters(part, True)
        for part, turned in _directions(str(text))
    )


def visible(character: str) -> markupsafe.Markup:
    """Returns a character, or a few that stand apart, so that it can be seen, also where there is none."""
    names = {"": "none", " ": "space"}
    if character in names:
        return markupsafe.Markup(names[character])
    if unicodedata.category(character[0]).startswith("M") and not is_invisible(character[0]):
        character = _DOTTED_CIRCLE + character
    return shown(character)


def code_points(text: str) -> str:
    """Returns the code points of a text of the user's and their names, those of the first characters if it is long."""
    more = ", …" if len(text) > _MOST_CODE_POINTS else ""
    return ", ".join(map(describe_code_point, text[:_MOST_CODE_POINTS])) + more


def setting(value: Any) -> markupsafe.Markup:
    """Returns a setting's value as JSON, readable in any script."""
    return shown(json.dumps(value, ensure_ascii=False))


def direction(text: str) -> str:
    """Returns `rtl` if a text's first letter is written from right to left, otherwise `ltr` (HTML's own rule)."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return "rtl" if next((kind for kind in strong if kind in ("L", *_RIGHT_TO_LEFT)), "L") != "L" else "ltr"


def _is_replaced(character: str) -> bool:
    return character != "\n" and is_invisible(character)


def _visible_characters(text: str, lines: bool) -> markupsafe.Markup:
    """Returns a text with a sign in the place of every character that cannot be seen."""
    if text.isprintable() and text.isascii():
        return markupsafe.escape(text)
    return markupsafe.Markup("").join(
        _sign(c) if is_invisible(c) and not (lines and c == "\n") else markupsafe.escape(c) for c in text
    )


def _sign(character: str) -> markupsafe.Markup:
    # Isolated too: the letters of a code point must not turn around in a text from right to left.
    name = describe_code_point(character)
    return markupsafe.Markup('<bdi class="sign" title="{}">{}</bdi>').format(name, name.partition(" ")[0])


def _directions(text: str) -> Iterator[tuple[str, bool]]:
    """Yields the parts of a text in order, and whether each is one from right to left.

    Such a part begins and ends with a letter of that direction, and has no letter of the other one.
    """
    position = begin = end = (
        0  # [begin, end): the part from right to left that is being read; position: what is yielded
    )
    for index, character in enumerate(text):
        kind = unicodedata.bidirectional(character)
        if kind in _RIGHT_TO_LEFT:
            begin, end = (begin if end else index), index + 1
        elif kind in ("NSM", "BN") and end == index:
            end = index + 1  # a mark on the letter before it
        elif kind == "L" and end:
            yield from ((text[position:begin], False), (text[begin:end], True))
            position, end = end, 0
    if end:
        yield from ((text[position:begin], False), (text[begin:end], True))
        position = end
    yield text[position:], False
