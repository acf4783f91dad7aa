"""Choosing the next character from logits, inside the graph, row by row.

A row's choice depends on its own settings, seed and place in the text alone, never on the rows beside it.
"""

import dataclasses

import tensorflow as tf

# Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": SplitMix64's increment and mixing function.
_INCREMENT = 0x9E3779B97F4A7C15
_MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


@dataclasses.dataclass(frozen=True)
class SamplingInputs:
    """How to choose, one value a row.

    Attributes:
      temperature: float32 [N]: logits are divided by it; 0 takes the most likely character.
      top_k: int32 [N]: only the k most likely characters (and those as likely as the last of them); 0 is all.
      top_p: float32 [N]: only the most likely characters that together have at least this probability (nucleus; Holtzman
        et al. 2020), computed after temperature and top_k; 1 is all.
      seed: int64 [N]: of the row's random numbers.
    """

    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor
    seed: tf.Tensor

    def filters(self) -> tf.Tensor:
        """Whether any row leaves characters out (bool scalar), for which the characters have to be sorted."""
        return tf.reduce_any(self.top_k > 0) | tf.reduce_any(self.top_p < 1)


def uniforms(seed: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns each row's random numbers `start` to `start + count`: float32 [N, count], from 0 to below 1.

    Args:
      seed: int64 [N].
      start: int64 [N].
      count: Scalar.
    """
    index = start[:, tf.newaxis] + tf.range(tf.cast(count, tf.int64))  # (batch, count)
    # The seed is mixed first: otherwise seed 1 would be seed 0, a step later.
    stream = _mix(tf.bitcast(seed, tf.uint64) * _uint64(_INCREMENT))[:, tf.newaxis]
    bits = _mix(stream + tf.bitcast(index, tf.uint64) * _uint64(_INCREMENT))
    # As many bits as a float32's fraction holds, so that 1 itself cannot come out.
    return tf.cast(tf.bitwise.right_shift(bits, _uint64(40)), tf.float32) * 2.0**-24


def sample(logits: tf.Tensor, inputs: SamplingInputs, uniform: tf.Tensor) -> tf.Tensor:
    """Chooses a character in each row by inverting the distribution function: int32 [N].

    Args:
      logits: float32 [N, vocabulary]; minus infinity where a character must not be chosen.
      inputs: How to choose.
      uniform: float32 [N], from 0 to below 1.
    """
    greedy = inputs.temperature == 0
    temperature = tf.where(greedy, tf.ones_like(inputs.temperature), inputs.temperature)
    scaled = logits / temperature[:, tf.newaxis]
    kept = tf.cond(inputs.filters(), lambda: keep_likely(scaled, inputs.top_k, inputs.top_p), lambda: scaled)
    cumulated = tf.cumsum(tf.nn.softmax(kept), axis=1)
    total = cumulated[:, -1]
    # Rounding must not lift the threshold to the total, beyond which there is no character.
    threshold = tf.minimum(uniform * total, tf.math.nextafter(total, tf.zeros_like(total)))
    drawn = tf.reduce_sum(tf.cast(cumulated <= threshold[:, tf.newaxis], tf.int32), axis=1)
    return tf.where(greedy, tf.argmax(logits, axis=1, output_type=tf.int32), drawn)


def keep_likely(logits: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor) -> tf.Tensor:
    """Returns logits float32 [N, vocabulary] with minus infinity for what top_k int32 [N] and top_p float32 [N] leave out."""
    size = tf.shape(logits)[1]
    ordered = tf.sort(logits, axis=1, direction="DESCENDING")
    k = tf.where(top_k > 0, tf.minimum(top_k, size), tf.fill(tf.shape(top_k), size))
    least = tf.gather(ordered, k - 1, batch_dims=1)[:, tf.newaxis]
    ordered = tf.where(ordered >= least, ordered, -float("inf"))
    probabilities = tf.nn.softmax(ordered)
    # A character stays if those before it have not reached top_p: so the first one always does.
    before = tf.cumsum(probabilities, axis=1, exclusive=True)
    # Rounded, they may reach 1 while there are unlikely ones left, and 1 is all of them.
    share = top_p[:, tf.newaxis]
    inside = ((before < share) | (share >= 1)) & tf.math.is_finite(ordered)
    last = tf.reduce_sum(tf.cast(inside, tf.int32), axis=1) - 1
    nucleus = tf.gather(ordered, tf.maximum(last, 0), batch_dims=1)[:, tf.newaxis]
    return tf.where(logits >= nucleus, logits, -float("inf"))


def _mix(value: tf.Tensor) -> tf.Tensor:
    for shift, multiplier in _MULTIPLIERS:
        value = tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, _uint64(shift))) * _uint64(multiplier)
    return tf.bitwise.bitwise_xor(value, tf.bitwise.right_shift(value, _uint64(31)))


def _uint64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint64)
