"""Tables of Unicode's properties as arrays, made from Python's own data, so that a graph can look characters up.

The standard library's data is what cleaned the training text, so a model that is exported with these tables agrees with it
whatever version of Unicode TensorFlow has.
"""

import functools
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000

Mask = npt.NDArray[np.bool_]


class Ranges(NamedTuple):
    """A property of every code point, as runs of equal values.

    Attributes:
      starts: Where each run starts, int32 [runs], ascending, the first is 0.
      values: Its value, int32 [runs].
    """

    starts: npt.NDArray[np.int32]
    values: npt.NDArray[np.int32]


class Mapping(NamedTuple):
    """Code points and the sequences that replace them.

    Attributes:
      keys: Code points, int32 [keys], ascending.
      begins: Where the sequence of each begins in `values`, int32 [keys].
      lengths: Its length, int32 [keys].
      values: Code points, int32.
    """

    keys: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    values: npt.NDArray[np.int32]


class Pairs(NamedTuple):
    """Pairs of code points and what they compose to.

    Attributes:
      keys: `pair_key` of each pair, int64 [pairs], ascending.
      values: Code points, int32 [pairs].
    """

    keys: npt.NDArray[np.int64]
    values: npt.NDArray[np.int32]


# Bits of a code point, so that a pair of them is one number.
PAIR_BITS = 21


def to_ranges(values: npt.ArrayLike) -> Ranges:
    """Returns a property of all code points, integers [1,114,112], as runs."""
    array = np.asarray(values, np.int32)
    starts = np.flatnonzero(np.concatenate([[True], array[1:] != array[:-1]]))
    return Ranges(starts.astype(np.int32), array[starts])


def character_class(mask: Mask) -> str:
    """Returns the characters of a mask bool [1,114,112] as what stands between the brackets of a regular expression of RE2."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    return "".join(f"\\x{{{first:x}}}-\\x{{{stop - 1:x}}}" for first, stop in runs)


def mask_of(points: Sequence[int] | npt.NDArray[np.int32]) -> Mask:
    """Returns the mask bool [1,114,112] of code points."""
    mask = np.zeros(CODE_POINTS, np.bool_)
    mask[np.asarray(points, np.int64)] = True
    return mask


@functools.cache
def combining_classes() -> npt.NDArray[np.int32]:
    """Returns the canonical combining class of every code point, int32 [1,114,112]."""
    return np.fromiter((unicodedata.combining(chr(point)) for point in range(CODE_POINTS)), np.int32, CODE_POINTS)


@functools.cache
def decompositions() -> Mapping:
    """Returns the full canonical decompositions; Hangul syllables, which are computed, are not among them."""
    return _to_mapping({c: unicodedata.normalize("NFD", c) for c in _canonically_decomposed()})


@functools.cache
def compositions() -> Pairs:
    """Returns the pairs that compose to one character (the primary composites), Hangul syllables excepted."""
    found = {}
    for character in _canonically_decomposed():
        parts = [int(part, 16) for part in unicodedata.decomposition(character).split()]
        # What is excluded from composition does not come back.
        if len(parts) == 2 and unicodedata.normalize("NFC", character) == character:
            found[parts[0] << PAIR_BITS | parts[1]] = ord(character)
    keys = sorted(found)
    return Pairs(np.array(keys, np.int64), np.array([found[key] for key in keys], np.int32))


@functools.cache
def lower_cases() -> Mapping:
    """Returns what Python's `str.lower` makes of each character that stands by itself."""
    characters = map(chr, range(CODE_POINTS))
    return _to_mapping({c: lowered for c in characters if (lowered := c.lower()) != c})


@functools.cache
def casing() -> npt.NDArray[np.int32]:
    """Returns how each code point decides whether a capital sigma beside it ends a word, int32 [1,114,112].

    1 is a cased letter, 2 is ignored (Unicode's Case_Ignorable: what is beyond it decides), 0 is anything else. Python has no
    function for these properties, but its `str.lower` tells them.
    """
    values = np.zeros(CODE_POINTS, np.int32)
    for point in range(CODE_POINTS):
        character = chr(point)
        if (character + "Σ").lower()[-1] == "ς":
            values[point] = 1
        elif ("A" + character + "Σ").lower()[-1] == "ς":
            values[point] = 2
    return values


def _canonically_decomposed() -> list[str]:
    characters = map(chr, range(CODE_POINTS))
    # A decomposition that begins with a tag such as <compat> is no canonical one; Hangul syllables are listed with none.
    return [c for c in characters if (parts := unicodedata.decomposition(c)) and not parts.startswith("<")]


def _to_mapping(sequences: dict[str, str]) -> Mapping:
    keys = sorted(sequences)
    lengths = np.array([len(sequences[key]) for key in keys], np.int32)
    values = [ord(character) for key in keys for character in sequences[key]]
    begins = np.cumsum(lengths, dtype=np.int32) - lengths
    return Mapping(np.array([ord(key) for key in keys], np.int32), begins, lengths, np.array(values, np.int32))
