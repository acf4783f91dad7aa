"""What a message calls a character: itself, and its code point; by its name alone if nobody could see it.

A token of several characters is called by itself, and by all of them.
"""

import functools
import unicodedata

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.cleaning.graph_tables import find, look_up, rare_function
from components.cleaning.invisible import CONTROL_NAMES, LOOK_LIKE_NOTHING
from components.cleaning.unicode_tables import CODE_POINTS, to_ranges

# What stands behind a code point that has no name here.
_UNNAMED = ("", "(control character)", "(private use)", "(unassigned)", "(combining mark)", "(invisible)")
_KIND_OF = {"Cc": 1, "Co": 2, "Cn": 3, "Mn": 4, "Mc": 4, "Me": 4, "Cf": 5, "Zs": 5, "Zl": 5, "Zp": 5}

# What stands for a character that could not be read.
_REPLACEMENT = 0xFFFD

# The marks whose names are kept: those of scripts that many people write, and the variation selectors. All would be twice
# as large.
_NAMED_MARKS = (range(0x3100), range(0xFE00, 0xFE30))

_DIGITS = "0123456789ABCDEF"

# A message shows so many characters of a token that is longer.
_SHOWN = 20


class CharacterNames(tf.Module):
    """Names characters in a graph."""

    def __init__(self) -> None:
        """Makes the graph."""
        super().__init__()
        self._describe = rare_function(_describe, tf.TensorSpec([None], tf.int32))

    def __call__(self, points: tf.Tensor) -> tf.Tensor:
        """Returns what a message calls a token of code points int32 [N], at least one: string [].

        Such as "`é` (U+00E9)", "U+200B ZERO WIDTH SPACE" or "`ab` (U+0061, U+0062)".
        """
        return self._describe(points)


def _describe(points: tf.Tensor) -> tf.Tensor:
    shown = points[:_SHOWN]
    more = tf.where(tf.size(points) > _SHOWN, "…", "")
    named, names = _names()
    kinds = look_up(to_ranges(_kinds()), shown)
    found, places = find(named, shown)
    name = tf.where(found, tf.gather(tf.constant(names), places), tf.gather(tf.constant(_UNNAMED), kinds))
    numbers = tf.strings.join(["U+", _hexadecimal(shown)])
    each = tf.where(name == "", numbers, tf.strings.join([numbers, name], " "))
    text = tf.strings.join(["`", tf.strings.unicode_encode(shown, "UTF-8"), more, "` ("])
    listed = tf.strings.join([text, tf.strings.reduce_join(each, separator=", "), more, ")"])
    return tf.where((tf.size(points) == 1) & (name[0] != ""), each[0], listed)


def _hexadecimal(points: tf.Tensor) -> tf.Tensor:
    """Returns numbers int32 [N] in hexadecimal, four digits or more: string [N]."""
    digits = tf.bitwise.right_shift(points[:, tf.newaxis], tf.range(20, -1, -4)) & 0xF
    leading = tf.cast(points < 0x100000, tf.int32) + tf.cast(points < 0x10000, tf.int32)
    return tf.strings.substr(
        tf.strings.reduce_join(tf.gather(tf.constant(list(_DIGITS)), digits), axis=1), leading, 6 - leading
    )


@functools.cache
def _kinds() -> npt.NDArray[np.int32]:
    """Returns for every code point which of `_UNNAMED` says what it is, int32 [1,114,112]."""
    kinds = (_KIND_OF.get(unicodedata.category(chr(point)), 0) for point in range(CODE_POINTS))
    return np.fromiter(kinds, np.int32, CODE_POINTS)


@functools.cache
def _names() -> tuple[npt.NDArray[np.int32], list[str]]:
    """Returns the code points that are called by their names alone, ascending, and the names."""
    kinds = _kinds()
    names = dict(CONTROL_NAMES)
    for point in np.flatnonzero(kinds >= _KIND_OF["Mn"]).tolist():
        if kinds[point] == _KIND_OF["Cf"] or any(point in marks for marks in _NAMED_MARKS):
            names[point] = unicodedata.name(chr(point))
    names |= {point: unicodedata.name(chr(point)) for point in (*LOOK_LIKE_NOTHING, _REPLACEMENT)}
    points = sorted(names)
    return np.array(points, np.int32), [names[point] for point in points]
