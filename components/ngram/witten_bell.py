"""An interpolated n-gram model of characters: how well counting alone predicts a text.

    P(c | h) = (N(h c) + T(h) P(c | h')) / (N(h) + T(h))

where N counts, T(h) is the number of distinct characters that were seen after h, and h' is h without its first character; an
h that was not seen leaves it to h'. The empty h' has the uniform distribution over the characters of the training text and
one more, which stands for every other character: U+FFFD, if that stands for rare characters in the training text. The other
characters share its probability equally, so the probabilities are a distribution over all of Unicode.

Source: Witten, Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37(4), 1991, method C; interpolated
as in Chen, Goodman, "An empirical study of smoothing techniques for language modeling", 1998, section 2.4.

All n-grams of an order are counted at once: each is a number, made from that of its first n - 1 characters and its last one.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
CodePoints = npt.NDArray[np.uint32]

_UNSEEN = -1

# Of Unicode, surrogates left out.
_CODE_POINTS = 0x110000 - 0x800

# What can stand for the characters that are too rare, in training and in what is predicted.
_REPLACEMENT = 0xFFFD


@dataclasses.dataclass(frozen=True)
class Characters:
    """Consecutive characters of a text.

    Attributes:
      points: Code points, uint32 [N].
      runs: How many characters before each one, without a gap, belong to the same text: int64 [N].
    """

    points: CodePoints
    runs: Int64Array


@dataclasses.dataclass(frozen=True)
class _Order:
    """The n-grams of one order.

    Attributes:
      keys: Each n-gram, ascending: index of its first n - 1 characters among those of the order below, times the number of
        characters, plus the index of its last one; int64 [n-grams].
      counts: How often each was seen: int64 [n-grams].
      contexts: How often each context was followed by a character: int64 [n-grams of the order below].
      followers: By how many distinct ones: int64, likewise.
    """

    keys: Int64Array
    counts: Int64Array
    contexts: Int64Array
    followers: Int64Array


class WittenBell:
    """A model of one text."""

    def __init__(self, text: Characters, order: int, stand_in: bool = False):
        """Counts.

        Args:
          text: What to count; at least one character.
          order: Characters of the longest n-gram.
          stand_in: Whether U+FFFD stands for rare characters. Otherwise it is a character like any other.
        """
        self.characters: CodePoints = np.unique(text.points)
        # What a character that the text does not have is taken for.
        self._unknown = _UNSEEN
        if stand_in and _REPLACEMENT in self.characters:
            self._unknown = int(np.searchsorted(self.characters, _REPLACEMENT))
        last = self._to_indices(text.points)
        self._orders: list[_Order] = []
        # Index, among the n-grams of the order below, of the one that ends before each character: int64 [N].
        context: Int64Array = np.zeros(len(last), np.int64)
        contexts = 1
        for size in range(1, order + 1):
            whole = text.runs >= size - 1
            keys, index, counts = np.unique(
                (context * len(self.characters) + last)[whole], return_inverse=True, return_counts=True
            )
            followed = keys // len(self.characters)
            self._orders.append(
                _Order(
                    keys,
                    counts,
                    np.bincount(followed, counts, contexts).astype(np.int64),
                    np.bincount(followed, minlength=contexts),
                )
            )
            contexts = len(keys)
            ending = np.full(len(last), _UNSEEN, np.int64)
            ending[whole] = index
            context = _before(ending)

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
        found = np.minimum(np.searchsorted(self.characters, points), len(self.characters) - 1)
        return np.where(self.characters[found] == points, found, self._unknown)


def _before(ending: Int64Array) -> Int64Array:
    """Returns, for each character, what ends at the one before it."""
    return np.concatenate([np.full(min(1, len(ending)), _UNSEEN), ending[:-1]])
