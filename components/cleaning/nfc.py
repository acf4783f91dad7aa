"""Unicode's normalization form C (UAX #15) in a graph."""

import numpy as np
import tensorflow as tf

from components.cleaning.graph_tables import find, look_up, rare_function, replace, to_points, to_strings
from components.cleaning.unicode_tables import (
    PAIR_BITS,
    character_class,
    combining_classes,
    compositions,
    decompositions,
    mask_of,
    to_ranges,
)

# The Unicode Standard, section 3.12: a Hangul syllable is computed from its letters (L, V, T).
_S, _L, _V, _T = 0xAC00, 0x1100, 0x1161, 0x11A7
_L_COUNT, _V_COUNT, _T_COUNT = 19, 21, 28
_S_COUNT = _L_COUNT * _V_COUNT * _T_COUNT


class Composer(tf.Module):
    """Composes strings."""

    def __init__(self) -> None:
        """Makes the graph."""
        super().__init__()
        self._composed_already = _composed_pattern()
        self._normalize = rare_function(_normalize)

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        """Returns strings [N] in form C; one that is not UTF-8 as it is."""
        done = tf.reduce_all(tf.strings.regex_full_match(text, self._composed_already))
        return tf.cond(done, lambda: tf.identity(text), lambda: self._normalize(text))


def _normalize(text: tf.Tensor) -> tf.Tensor:
    points = _decompose_hangul(replace(decompositions(), to_points(text)))
    # A NUL of its own, so that the flat values are not empty if there are no rows.
    flat = tf.concat([[0], points.flat_values], axis=0)
    rows = tf.concat([[0], tf.cast(points.value_rowids(), tf.int32)], axis=0)
    flat, classes = _order_marks(flat, look_up(to_ranges(combining_classes()), flat))
    changed = tf.constant(True)
    flat, _, rows, _ = tf.while_loop(
        lambda *state: state[-1],
        _compose_once,
        (flat, classes, rows, changed),
        shape_invariants=(*[tf.TensorShape([None])] * 3, tf.TensorShape([])),
    )
    composed = tf.RaggedTensor.from_value_rowids(flat[1:], rows[1:], tf.shape(text)[0], validate=False)
    return to_strings(composed, text)


def _compose_once(
    points: tf.Tensor, classes: tf.Tensor, rows: tf.Tensor, _: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Composes each starter with the first character after it that it can take.

    Starters take in parallel what UAX #15 lets them take one after the other. There are as many rounds as characters that
    one starter takes: at most three.

    Args:
      points: Code points int32 [M], ordered, the first a starter.
      classes: Their combining classes, int32 [M].
      rows: The string that each is of, int32 [M].

    Returns:
      The same without what was taken, and whether anything was.
    """
    starter = classes == 0
    index = tf.range(tf.size(points))
    before = tf.maximum(index - 1, 0)
    starters = tf.cast(tf.where(starter)[:, 0], tf.int32)
    last_starter = tf.gather(starters, tf.cumsum(tf.cast(starter, tf.int32)) - 1)
    # A mark is joined to its starter unless one of the same class stands right before it; a starter to the one right
    # before it.
    first = tf.where(starter, before, last_starter)
    class_before = tf.gather(classes, before)
    joined = tf.where(starter, (class_before == 0) & (index > 0), (before == first) | (class_before != classes))
    found, composed = _compose_pairs(tf.gather(points, first), points)
    can = joined & found
    # What its predecessor takes does not take anything in this round.
    can &= ~tf.gather(can & starter, first)
    count = tf.cumsum(tf.cast(can, tf.int32))
    taken = can & (count - tf.gather(count, first) == 1)
    taker = tf.boolean_mask(first, taken)[:, tf.newaxis]
    points = tf.tensor_scatter_nd_update(points, taker, tf.boolean_mask(composed, taken))
    points, classes, rows = (tf.boolean_mask(values, ~taken) for values in (points, classes, rows))
    return points, classes, rows, tf.reduce_any(taken)


def _compose_pairs(first: tf.Tensor, second: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns which pairs of code points int32 [M] compose, bool [M], and to what, int32 [M]."""
    key = tf.bitwise.left_shift(tf.cast(first, tf.int64), tf.constant(PAIR_BITS, tf.int64))
    found, place = find(compositions().keys, key | tf.cast(second, tf.int64))
    composed = tf.gather(compositions().values, place)
    l_index, v_index, t_index, s_index = first - _L, second - _V, second - _T, first - _S
    lv = (l_index >= 0) & (l_index < _L_COUNT) & (v_index >= 0) & (v_index < _V_COUNT)
    lvt = (s_index >= 0) & (s_index < _S_COUNT) & (s_index % _T_COUNT == 0) & (t_index > 0) & (t_index < _T_COUNT)
    composed = tf.where(lv, _S + (l_index * _V_COUNT + v_index) * _T_COUNT, composed)
    return found | lv | lvt, tf.where(lvt, first + t_index, composed)


def _decompose_hangul(text: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns code points int32 [N, characters] with each Hangul syllable as its two or three letters."""
    points = text.flat_values
    s_index = points - _S
    syllable = (s_index >= 0) & (s_index < _S_COUNT)
    lead, v = _L + s_index // (_V_COUNT * _T_COUNT), _V + s_index % (_V_COUNT * _T_COUNT) // _T_COUNT
    t = _T + s_index % _T_COUNT
    # [M, 3], of which the first one, two or three are there.
    letters = tf.stack([tf.where(syllable, lead, points), v, t], axis=1)
    there = tf.stack([tf.ones_like(syllable), syllable, syllable & (t > _T)], axis=1)
    counts = tf.reduce_sum(tf.cast(there, tf.int32), axis=1)
    row_lengths = tf.reduce_sum(text.with_flat_values(counts), axis=1)
    return tf.RaggedTensor.from_row_lengths(tf.boolean_mask(letters, there), row_lengths, validate=False)


def _order_marks(points: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns code points int32 [M] and their classes with the marks after each starter in the order of their classes."""
    starter = tf.cast(classes == 0, tf.int64)
    # The place makes the order stable.
    size = tf.size(points, tf.int64)
    key = (tf.cumsum(starter) * 256 + tf.cast(classes, tf.int64)) * size + tf.range(size)
    order = tf.argsort(key)
    return tf.gather(points, order), tf.gather(classes, order)


def _composed_pattern() -> str:
    """Returns a regular expression that strings in form C match, but for those with two marks side by side.

    No character in such a string is one that normalizing may change, or compose with what is before it (UAX #15, section 9),
    and with no two marks side by side there is nothing to order. A string that is not UTF-8 does not match.
    """
    marks = combining_classes() != 0
    may_change = mask_of(decompositions().keys)
    may_change[compositions().values] = False
    may_change[compositions().keys & ((1 << PAIR_BITS) - 1)] = True
    may_change[_V : _V + _V_COUNT] = may_change[_T + 1 : _T + _T_COUNT] = True
    plain = character_class(~(marks | may_change))
    mark = character_class(marks & np.logical_not(may_change))
    return f"[{mark}]?(?:[{plain}][{mark}]?)*"
