"""The network of one member: pure functions from weights and indices to logits.

A bidirectional LSTM encoder, an LSTM decoder over what was said before, and scaled dot-product attention of all its steps at
once. The decoder does not read what was attended to (no input feeding): so its steps are one fused LSTM, and training costs
no loop over the attention.

Time is the first axis inside, since the steps of an LSTM are slices of it.
"""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

from components.trainer.layers.lstm_steps import lstm_steps
from components.transform.token_pairs import END, PADDING

Weights = Mapping[str, tf.Tensor]

# Added to a gate before its sigmoid, or to a score before its softmax, to make it exactly 0.
_NEVER = -1e4

# The smallest index that the decoder can say: padding and the start of an answer are never said.
FIRST_CLASS = END

# A product with one-hot vectors of so many tokens is faster than XLA's gather and its gradient, which go row by row.
_MOST_ONE_HOT = 512


@dataclasses.dataclass(frozen=True)
class NetworkShape:
    """Sizes of a member.

    Attributes:
      source_size: Indices of the input's vocabulary, padding and the other special ones included.
      target_size: Likewise of the answer's.
      embedding: Width of a token's vector.
      units: Width of an LSTM.
      layers: Bidirectional layers of the encoder.
    """

    source_size: int
    target_size: int
    embedding: int
    units: int
    layers: int

    @property
    def classes(self) -> int:
        """What the decoder can say: the indices from FIRST_CLASS on."""
        return self.target_size - FIRST_CLASS

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of each weight by its name."""
        units, memory = self.units, 2 * self.units
        shapes: dict[str, tuple[int, ...]] = {
            "source_embedding": (self.source_size, self.embedding),
            "target_embedding": (self.target_size, self.embedding),
        }
        for layer in range(self.layers):
            for direction in ("forward", "backward"):
                shapes |= _lstm_weights(f"encoder_{layer}_{direction}", memory if layer else self.embedding, units)
        return {
            **shapes,
            **_lstm_weights("decoder", self.embedding, units),
            "query": (units, memory),
            "hidden_kernel": (units + memory, units),
            "hidden_bias": (units,),
            "output_kernel": (units, self.classes),
            "output_bias": (self.classes,),
        }


# From a tensor and the axis of time to the tensor with dropout.
Drop = Callable[[tf.Tensor, int], tf.Tensor]


def logits(weights: Weights, shape: NetworkShape, source: tf.Tensor, begun: tf.Tensor, drop: Drop) -> tf.Tensor:
    """Returns what the decoder says after each beginning of an answer.

    Args:
      weights: By the names of `shape.weights()`.
      shape: Sizes.
      source: Indices of the input, int32 [batch, source_length], padding on the right.
      begun: Indices of BEGIN and what was said after it, int32 [batch, target_length], padding on the right.
      drop: Dropout; `no_drop` outside training.

    Returns:
      float [batch, target_length, classes].
    """
    memory = encode(weights, shape, source, drop)
    embedded = drop(_embed(weights["target_embedding"], tf.transpose(begun)), 0)
    state = drop(tf.transpose(_lstm(weights, "decoder", embedded), [1, 0, 2]), 1)
    keys = tf.matmul(memory, weights["query"], transpose_b=True)  # (batch, source_length, units)
    read = tf.matmul(attention(state, keys, source), memory)
    hidden = tf.tanh(tf.tensordot(tf.concat([state, read], -1), weights["hidden_kernel"], 1) + weights["hidden_bias"])
    return tf.tensordot(drop(hidden, 1), weights["output_kernel"], 1) + weights["output_bias"]


def encode(weights: Weights, shape: NetworkShape, source: tf.Tensor, drop: Drop) -> tf.Tensor:
    """Returns what is remembered of the inputs, float [batch, source_length, 2 * units]."""
    indices = tf.transpose(source)
    hidden = drop(_embed(weights["source_embedding"], indices), 0)
    # The backward LSTM meets the padding first. With its input gate shut it stays in its first state, zeros.
    shut = tf.concat([tf.fill([shape.units], _NEVER), tf.zeros([3 * shape.units])], 0)
    padding = tf.cast(tf.reverse(indices, [0]) == PADDING, hidden.dtype)[..., tf.newaxis]
    shut_at_padding = padding * tf.cast(shut, hidden.dtype)
    for layer in range(shape.layers):
        forward = _lstm(weights, f"encoder_{layer}_forward", hidden)
        backward = _lstm(weights, f"encoder_{layer}_backward", tf.reverse(hidden, [0]), shut_at_padding)
        hidden = drop(tf.concat([forward, tf.reverse(backward, [0])], -1), 0)
    return tf.transpose(hidden, [1, 0, 2])


def attention(state: tf.Tensor, keys: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
    """Returns how much of each input token is read.

    Args:
      state: The decoder's states, float [batch, target_length, units].
      keys: The input's keys, float [batch, source_length, units].
      source: Indices of the input, int32 [batch, source_length].

    Returns:
      float [batch, target_length, source_length]: shares of 1, none of padding.
    """
    scale = 1 / (2 * state.shape[-1]) ** 0.5
    scores = tf.matmul(state * tf.cast(scale, state.dtype), keys, transpose_b=True)
    return tf.nn.softmax(scores + tf.cast(source == PADDING, scores.dtype)[:, tf.newaxis] * _NEVER)


def no_drop(tensor: tf.Tensor, time: int) -> tf.Tensor:
    """Returns the tensor as it is."""
    return tensor


def dropout(rate: float, seed: tf.Tensor) -> Drop:
    """Returns dropout of the same elements at all times of a call (Gal and Ghahramani 2016).

    Random numbers for each time of its own took a third of a step, and made no better models (docs/tasks.md).

    Args:
      rate: Share of the elements that become 0.
      seed: int32 [2]; every use within a call has random numbers of its own.
    """
    if not rate:
        return no_drop
    uses = 0

    def drop(tensor: tf.Tensor, time: int) -> tf.Tensor:
        nonlocal uses
        uses += 1
        sizes = tf.unstack(tf.shape(tensor))
        shape = tf.stack([1 if axis == time else size for axis, size in enumerate(sizes)])
        # Philox is named, since XLA's own choice for CPUs takes a hundred times as long.
        own = seed + tf.constant([0, uses])
        return tf.nn.experimental.stateless_dropout(tensor, rate, own, rng_alg="philox", noise_shape=shape)

    return drop


def _lstm_weights(name: str, inputs: int, units: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}_kernel": (inputs, 4 * units),
        f"{name}_recurrent_kernel": (units, 4 * units),
        f"{name}_bias": (4 * units,),
    }


def _embed(table: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    if table.shape[0] > _MOST_ONE_HOT:
        return tf.gather(table, indices)
    return tf.tensordot(tf.one_hot(indices, table.shape[0], dtype=table.dtype), table, 1)


def _lstm(weights: Weights, name: str, inputs: tf.Tensor, added: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Runs an LSTM over [steps, batch, features]; `added` is added to its gates. Returns [steps, batch, units]."""
    gates = tf.tensordot(inputs, weights[f"{name}_kernel"], 1) + weights[f"{name}_bias"] + added
    recurrent_kernel = weights[f"{name}_recurrent_kernel"]
    nothing = tf.zeros([tf.shape(inputs)[1], recurrent_kernel.shape[0]], gates.dtype)
    outputs, _, _ = lstm_steps(gates, recurrent_kernel, nothing, nothing)
    return outputs
