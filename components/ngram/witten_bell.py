"""An interpolated n-gram model of characters: how well counting alone predicts a text.

    P(c | h) = (N(h c) + T(h) P(c | h')) / (N(h) + T(h))

where N counts, T(h) is the number of distinct characters that were seen after h, and h' is h without its first character; an
h that was not seen leaves it to h'. The empty h' has the uniform distribution over the characters of the training text and
one more, which stands for every other character: U+FFFD, if that stands for rare characters in the training text. The other
characters share its probability equally, so the probabilities are a distribution over all of Unicode.

Source: Witten, Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37(4), 1991, method C; interpolated
as in Chen, Goodman, "An empirical study of smoothing techniques for language modeling", 1998, section 2.4.

An n-gram is a number, made from that of its first n - 1 characters and its last one. Where all numbers of an order fit a table,
each is counted in its place; otherwise they are sorted. Counting goes through the text in pieces, and what is kept for each
character of it are five bytes.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
CodePoints = npt.NDArray[np.uint32]

_UNSEEN = -1

# The code points of Unicode without the surrogates.
_CODE_POINTS = 0x110000 - 0x800

# What can stand for the characters that are too rare, in training and in what is predicted.
_REPLACEMENT = 0xFFFD


# Numbers of n-grams that are counted in a table: 256 MB with the indices that replace the counts.
_LARGEST_TABLE = 1 << 25

# Characters of a piece.
_PIECE = 1 << 20

# Runs are told apart up to this length, which is longer than any n-gram.
LONGEST_RUN = 255


@dataclasses.dataclass(frozen=True)
class Characters:
    """Consecutive characters of a text.

    Attributes:
      points: Code points, uint32 [N].
      runs: How many characters before each one, without a gap, belong to the same text, at most LONGEST_RUN: uint8 [N].
    """

    points: CodePoints
    runs: npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class _Order:
    """The n-grams of one order.

    Attributes:
      keys: Each n-gram, ascending: index of its first n - 1 characters among those of the order below, times the number of
        characters, plus the index of its last one; int64 [n-grams].
      counts: How often each was seen: int64 [n-grams].
      contexts: How often each context was followed by a character: int64 [n-grams of the order below].
      followers: By how many distinct ones: int64, one for each context.
    """

    keys: Int64Array
    counts: Int64Array
    contexts: Int64Array
    followers: Int64Array


@dataclasses.dataclass(frozen=True)
class _Counted:
    """The n-grams of one order, and how to find them.

    Attributes:
      order: The n-grams.
      places: Index of each n-gram by its number, int32; None where there are too many numbers.
    """

    order: _Order
    places: npt.NDArray[np.int32] | None


class WittenBell:
    """A model of one text."""

    def __init__(self, text: Characters, order: int, stand_in: bool = False):
        """Counts.

        Args:
          text: What to count; at least one character.
          order: Characters of the longest n-gram.
          stand_in: Whether U+FFFD stands for rare characters. Otherwise it is a character like any other.
        """
        seen = np.zeros(0x110000, np.bool_)
        for piece in _pieces(len(text.points)):
            seen[text.points[piece]] = True
        self.characters: CodePoints = np.flatnonzero(seen).astype(np.uint32)
        # What a character that the text does not have is taken for.
        self._unknown = _UNSEEN
        if stand_in and _REPLACEMENT in self.characters:
            self._unknown = int(np.searchsorted(self.characters, _REPLACEMENT))
        self._indices = np.full(len(seen), self._unknown, np.int64)
        self._indices[self.characters] = np.arange(len(self.characters))
        self._orders: list[_Order] = []
        # Index, among the n-grams of the order below, of the one that ends before each character: int32 [N].
        context = np.zeros(len(text.points), np.int32)
        contexts = 1
        for size in range(1, order + 1):
            counted = self._count(text, context, contexts, size)
            self._orders.append(counted.order)
            if size < order:
                self._move_on(text, context, counted, size)
            contexts = len(counted.order.keys)

    def _count(self, text: Characters, context: npt.NDArray[np.int32], contexts: int, size: int) -> "_Counted":
        """Counts the n-grams of one order."""
        table = None
        if contexts * len(self.characters) <= _LARGEST_TABLE:
            table = np.zeros(contexts * len(self.characters), np.int32)
            for piece in _pieces(len(text.points)):
                np.add.at(table, self._keys(text, context, size, piece), np.int32(1))
            keys = np.flatnonzero(table)
            counts = table[keys].astype(np.int64)
            table[keys] = np.arange(len(keys), dtype=np.int32)
        else:
            keys = np.concatenate([self._keys(text, context, size, piece) for piece in _pieces(len(text.points))])
            keys.sort()
            first = np.flatnonzero(
                np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.bool_)
            )
            counts = np.diff(np.append(first, len(keys)))
            keys = keys[first]
        followed = keys // len(self.characters)
        totals = np.bincount(followed, counts, contexts).astype(np.int64)
        return _Counted(_Order(keys, counts, totals, np.bincount(followed, minlength=contexts)), table)

    def _keys(self, text: Characters, context: npt.NDArray[np.int32], size: int, piece: slice) -> Int64Array:
        """Returns the numbers of the n-grams that end in a piece of the text: int64, only of those that are whole."""
        keys = context[piece] * np.int64(len(self.characters)) + self._to_indices(text.points[piece])
        return keys[text.runs[piece] >= size - 1]

    def _move_on(self, text: Characters, context: npt.NDArray[np.int32], counted: "_Counted", size: int) -> None:
        """Makes of each character's context that of the next order: the n-gram that ends before the character."""
        before = _UNSEEN
        for piece in _pieces(len(text.points)):
            keys = self._keys(text, context, size, piece)
            places = counted.places
            ending = np.full(piece.stop - piece.start, _UNSEEN, np.int32)
            index = np.searchsorted(counted.order.keys, keys) if places is None else places[keys]
            ending[text.runs[piece] >= size - 1] = index
            context[piece.start] = before
            context[piece.start + 1 : piece.stop] = ending[:-1]
            before = int(ending[-1])

    def log_probabilities(self, text: Characters) -> npt.NDArray[np.float64]:
        """Returns the natural-log probability of each character by each order from 1 up: float64 [order, N]."""
        last = self._to_indices(text.points)
        known = len(self.characters) - (self._unknown != _UNSEEN)
        probability = np.full(len(last), 1 / (known + 1))
        context: Int64Array = np.zeros(len(last), np.int64)
        result = np.empty((len(self._orders), len(last)))
        for size, order in enumerate(self._orders, 1):
            seen_context = (context != _UNSEEN) & (text.runs >= size - 1)
            seen_context[seen_context] = order.contexts[context[seen_context]] > 0
            ending = np.full(len(last), _UNSEEN, np.int64)
            looked_up = np.flatnonzero(seen_context & (last != _UNSEEN))
            keys = context[looked_up] * len(self.characters) + last[looked_up]
            found = np.searchsorted(order.keys, keys)
            there = order.keys[np.minimum(found, len(order.keys) - 1)] == keys if len(order.keys) else keys != keys
            ending[looked_up[there]] = found[there]
            counts = np.zeros(len(last))
            counts[looked_up[there]] = order.counts[found[there]]
            at = context[seen_context]
            followers = order.followers[at]
            probability[seen_context] = (counts[seen_context] + followers * probability[seen_context]) / (
                order.contexts[at] + followers
            )
            result[size - 1] = np.log(probability)
            context = _before(ending)
        result[:, last == self._unknown] -= np.log(_CODE_POINTS - known)
        return result

    def _to_indices(self, points: CodePoints) -> Int64Array:
        """Returns the index of each character: int64 [N]. It is -1 if training has neither it nor what would stand for it."""
        return self._indices[points]


def _before(ending: Int64Array) -> Int64Array:
    """Returns, for each character, what ends at the one before it."""
    return np.concatenate([np.full(min(1, len(ending)), _UNSEEN), ending[:-1]])


def _pieces(count: int) -> Iterator[slice]:
    """Yields the pieces of a text of so many characters."""
    for start in range(0, count, _PIECE):
        yield slice(start, min(start + _PIECE, count))
