"""Trained networks as they are asked: with operations of a whole LSTM, and products of the weights made beforehand.

An answer is some ten steps of few small operations, so what counts is how many operations a step has, not how long each takes.
"""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from components.trainer.seq2seq.model import Networks
from components.transform.token_pairs import PADDING

# Minus infinity for a softmax, but without NaN where all of a row is.
_NEVER = -1e9


@dataclasses.dataclass(frozen=True)
class Memory:
    """What one network remembers of inputs.

    Attributes:
      keys: What the decoder's state is compared with, transposed: float [N, units, source_length].
      values: What is read, float [N, source_length, units].
      padding: Added to the scores, float [N, 1, source_length].
    """

    keys: tf.Tensor
    values: tf.Tensor
    padding: tf.Tensor


# A network's LSTM output and cell state, float [N, units] each.
State = tuple[tf.Tensor, tf.Tensor]


class Network(tf.Module):
    """One trained network."""

    def __init__(self, weights: dict[str, tf.Tensor], layers: int):
        """Makes it of weights by the names of `NetworkShape.weights`."""
        super().__init__()

        def variable(value: tf.Tensor) -> tf.Variable:
            return tf.Variable(tf.cast(value, tf.float32), trainable=False)

        def lstm(name: str) -> tuple[tf.Variable, tf.Variable]:
            kernel = tf.concat([weights[f"{name}_kernel"], weights[f"{name}_recurrent_kernel"]], 0)
            return variable(kernel), variable(weights[f"{name}_bias"])

        units = weights["query"].shape[0]
        self._units = units
        self._source_embedding = variable(weights["source_embedding"])
        self._target_embedding = variable(weights["target_embedding"])
        self._encoder = [[lstm(f"encoder_{layer}_{way}") for way in ("forward", "backward")] for layer in range(layers)]
        self._decoder = lstm("decoder")
        # LSTMBlockCell has the gates in another order than BlockLSTMV2: input, candidate, forget, output.
        self._cell = tuple(variable(_swap_middle(value)) for value in self._decoder)
        # With what is read goes what the hidden layer makes of it; with the keys, the scale of the scores.
        from_state, from_memory = tf.split(weights["hidden_kernel"], [units, 2 * units], 0)
        self._keys = variable(tf.transpose(weights["query"]) / (2 * units) ** 0.5)
        self._values = variable(from_memory)
        self._hidden = variable(from_state), variable(weights["hidden_bias"])
        self._output = variable(weights["output_kernel"]), variable(weights["output_bias"])

    def encode(self, source: tf.Tensor) -> Memory:
        """Reads inputs, int32 [N, source_length], padding on the right."""
        lengths = tf.reduce_sum(tf.cast(source != PADDING, tf.int32), axis=1)
        hidden = tf.gather(self._source_embedding, tf.transpose(source))
        for forward, backward in self._encoder:
            reversed_ = tf.reverse_sequence(hidden, lengths, seq_axis=0, batch_axis=1)
            backwards = tf.reverse_sequence(self._lstm(backward, reversed_), lengths, seq_axis=0, batch_axis=1)
            hidden = tf.concat([self._lstm(forward, hidden), backwards], -1)
        memory = tf.transpose(hidden, [1, 0, 2])  # (N, source_length, 2 * units)
        keys = tf.tensordot(memory, self._keys, 1)
        padding = tf.cast(source == PADDING, tf.float32)[:, tf.newaxis] * _NEVER
        return Memory(tf.transpose(keys, [0, 2, 1]), tf.tensordot(memory, self._values, 1), padding)

    def begin(self, rows: tf.Tensor) -> State:
        """Returns the state before anything is said."""
        nothing = tf.zeros([rows, self._units])
        return nothing, nothing

    def step(self, memory: Memory, state: State, token: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Returns the probability of each class after one more token, int32 [N]: float [N, classes], and the new state."""
        output, cell = state
        kernel, bias = self._cell
        none = tf.zeros([self._units])
        _, cell, _, _, _, _, output = tf.raw_ops.LSTMBlockCell(
            x=tf.gather(self._target_embedding, token),
            cs_prev=cell,
            h_prev=output,
            w=kernel,
            wci=none,
            wcf=none,
            wco=none,
            b=bias,
            forget_bias=0.0,
            cell_clip=-1.0,
        )
        said, _ = self._say(memory, output[:, tf.newaxis])
        return said[:, 0], (output, cell)

    def read(self, memory: Memory, begun: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads beginnings of answers, int32 [N, target_length].

        Returns:
          Probability of each class after each of them, float [N, target_length, classes], and how much of each input token was
          read for it, [N, target_length, source_length].
        """
        embedded = tf.gather(self._target_embedding, tf.transpose(begun))
        return self._say(memory, tf.transpose(self._lstm(self._decoder, embedded), [1, 0, 2]))

    def _say(self, memory: Memory, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shares = tf.nn.softmax(tf.matmul(state, memory.keys) + memory.padding)
        kernel, bias = self._hidden
        own = tf.nn.bias_add(tf.matmul(tf.reshape(state, [-1, self._units]), kernel), bias)
        hidden = tf.tanh(own + tf.reshape(tf.matmul(shares, memory.values), [-1, self._units]))
        kernel, bias = self._output
        said = tf.nn.softmax(tf.nn.bias_add(tf.matmul(hidden, kernel), bias))
        return tf.reshape(said, [tf.shape(state)[0], tf.shape(state)[1], kernel.shape[1]]), shares

    def _lstm(self, weights: tuple[tf.Variable, tf.Variable], inputs: tf.Tensor) -> tf.Tensor:
        """Runs an LSTM over [steps, N, features] from nothing. Returns its outputs, [steps, N, units]."""
        kernel, bias = weights
        nothing = tf.zeros([tf.shape(inputs)[1], self._units])
        none = tf.zeros([self._units])
        return tf.raw_ops.BlockLSTMV2(
            seq_len_max=tf.shape(inputs, tf.int64)[0],
            x=inputs,
            cs_prev=nothing,
            h_prev=nothing,
            w=kernel,
            wci=none,
            wcf=none,
            wco=none,
            b=bias,
            cell_clip=-1.0,
            use_peephole=False,
        ).h


def trained_networks(model: keras.Model) -> list[Network]:
    """Returns the networks of a model of `build_model`."""
    networks: Networks = model.layers[-1]
    return [
        Network({name: variable.value[member] for name, variable in networks.stacked.items()}, networks.shape.layers)
        for member in range(networks.members)
    ]


def _swap_middle(gates: Any) -> tf.Tensor:
    """Returns gates [..., 4 * units] with the second and the third swapped."""
    first, second, third, fourth = tf.split(gates, 4, axis=-1)
    return tf.concat([first, third, second, fourth], -1)
