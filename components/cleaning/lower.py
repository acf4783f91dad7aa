"""Lower case in a graph, as Python's `str.lower` has it."""

import tensorflow as tf

from components.cleaning.graph_tables import look_up, rare_function, replace, to_points, to_strings
from components.cleaning.unicode_tables import casing, character_class, lower_cases, mask_of, to_ranges

_CAPITAL_SIGMA, _FINAL_SIGMA = ord("Σ"), ord("ς")
_CASED, _IGNORED = 1, 2


class Lowerer(tf.Module):
    """Lowers strings.

    `tf.strings.lower` knows an older Unicode than Python, depends on the locale, and ends a string at its first NUL; only its
    lower case of ASCII is used.
    """

    def __init__(self) -> None:
        """Makes the graph."""
        super().__init__()
        self._low_already = f"[{character_class(~mask_of(lower_cases().keys))}]*"
        self._lower = rare_function(_lower)

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        """Returns strings [N] in lower case; of one that is not UTF-8 the ASCII letters are."""
        low = tf.strings.lower(text)
        done = tf.reduce_all(tf.strings.regex_full_match(low, self._low_already))
        return tf.cond(done, lambda: tf.identity(low), lambda: self._lower(low))


def _lower(text: tf.Tensor) -> tf.Tensor:
    points = to_points(text)
    flat = points.flat_values
    final = tf.where(_ends_word(flat), _FINAL_SIGMA, _CAPITAL_SIGMA)
    points = points.with_flat_values(tf.where(flat == _CAPITAL_SIGMA, final, flat))
    return to_strings(replace(lower_cases(), points), text)


def _ends_word(points: tf.Tensor) -> tf.Tensor:
    """Returns where a capital sigma would be a final one: bool [M] for code points int32 [M].

    That is where the nearest character before it that is not ignored is a cased letter and the nearest one behind it is
    none (The Unicode Standard, table 3-17, Final_Sigma). The NUL before each string keeps strings apart.
    """
    casing_of = look_up(to_ranges(casing()), points)
    counts = casing_of != _IGNORED
    # What counts, with a character that is no letter at either end.
    cased = tf.pad(tf.boolean_mask(casing_of, counts) == _CASED, [[1, 1]])
    through = tf.cumsum(tf.cast(counts, tf.int32))
    before = tf.gather(cased, through - tf.cast(counts, tf.int32))
    behind = tf.gather(cased, through + 1)
    return before & ~behind
