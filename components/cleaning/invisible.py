"""Characters that nobody can see, and what they are called. Nothing here imports TensorFlow."""

import unicodedata

# Unicode gives control characters no name of their own; these are the first of its aliases for them (NameAliases.txt).
_FIRST_CONTROLS = (
    "NULL",
    "START OF HEADING",
    "START OF TEXT",
    "END OF TEXT",
    "END OF TRANSMISSION",
    "ENQUIRY",
    "ACKNOWLEDGE",
    "ALERT",
    "BACKSPACE",
    "CHARACTER TABULATION",
    "LINE FEED",
    "LINE TABULATION",
    "FORM FEED",
    "CARRIAGE RETURN",
    "SHIFT OUT",
    "SHIFT IN",
    "DATA LINK ESCAPE",
    "DEVICE CONTROL ONE",
    "DEVICE CONTROL TWO",
    "DEVICE CONTROL THREE",
    "DEVICE CONTROL FOUR",
    "NEGATIVE ACKNOWLEDGE",
    "SYNCHRONOUS IDLE",
    "END OF TRANSMISSION BLOCK",
    "CANCEL",
    "END OF MEDIUM",
    "SUBSTITUTE",
    "ESCAPE",
    "INFORMATION SEPARATOR FOUR",
    "INFORMATION SEPARATOR THREE",
    "INFORMATION SEPARATOR TWO",
    "INFORMATION SEPARATOR ONE",
)

# The names of control characters by code point.
CONTROL_NAMES = dict(enumerate(_FIRST_CONTROLS)) | {0x7F: "DELETE", 0x85: "NEXT LINE"}

# Letters and symbols that show nothing.
LOOK_LIKE_NOTHING = (0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0)

# Marks that show nothing themselves: the grapheme joiner, two Khmer vowels, and the variation selectors (Unicode's property
# Default_Ignorable_Code_Point, as far as its characters are marks).
_MARKS_OF_NOTHING = (
    range(0x034F, 0x0350),
    range(0x17B4, 0x17B6),
    range(0x180B, 0x1810),
    range(0xFE00, 0xFE10),
    range(0xE0100, 0xE01F0),
)


def is_invisible(character: str) -> bool:
    """Returns whether a reader could not see a character, or not tell what it is: all but the space that show no glyph."""
    if character.isascii():
        return not character.isprintable()
    point = ord(character)
    return (
        not character.isprintable() or point in LOOK_LIKE_NOTHING or any(point in marks for marks in _MARKS_OF_NOTHING)
    )


def describe_code_point(character: str) -> str:
    """Returns a character's code point and, if it has one, its name, such as "U+200B ZERO WIDTH SPACE"."""
    point = ord(character)
    name = CONTROL_NAMES.get(point) or unicodedata.name(character, "")
    return f"U+{point:04X} {name}".rstrip()
