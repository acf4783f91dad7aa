"""Trained networks as they are asked: with operations of a whole LSTM, and products of the weights made beforehand.

The encoder's time goes into the matrix products of its LSTMs, so each network has its own. A step of the decoder is small, so
what counts there is how many operations it has: each is one of all networks, whose weights and states are stacked.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from components.trainer.seq2seq.model import Networks
from components.transform.token_pairs import PADDING

# Minus infinity for a softmax, but without NaN where all of a row is.
_NEVER = -1e9

# For a vocabulary of at most so many tokens, a table has what each adds to the decoder's gates: 4 * units numbers instead of
# `embedding`. A larger table would be much larger than the rest of the model.
_MOST_TABLED = 512


@dataclasses.dataclass(frozen=True)
class Memory:
    """What the networks remember of inputs.

    Attributes:
      keys: What the decoders' states are compared with, transposed: float [networks, N, units, source_length].
      values: What is read, float [networks, N, source_length, units].
      padding: Added to the scores, float [N, 1, source_length].
    """

    keys: tf.Tensor
    values: tf.Tensor
    padding: tf.Tensor

    def take(self, rows: tf.Tensor) -> "Memory":
        """Returns what is remembered of some inputs, whose rows are int32 [any]."""
        keys, values = (tf.gather(part, rows, axis=1) for part in (self.keys, self.values))
        return Memory(keys, values, tf.gather(self.padding, rows))


@dataclasses.dataclass(frozen=True)
class State:
    """What the decoders know after a token.

    Attributes:
      gates: What the outputs of the LSTMs add to the gates of the next step, float [4, networks, N, units].
      cell: Their cell states, float [networks, N, units].
    """

    gates: tf.Tensor
    cell: tf.Tensor

    def take(self, rows: tf.Tensor) -> "State":
        """Returns the states of some rows, int32 [any]."""
        return State(tf.gather(self.gates, rows, axis=2), tf.gather(self.cell, rows, axis=1))


class TrainedNetworks(tf.Module):
    """Trained networks of one shape, whose mean probabilities count."""

    def __init__(self, networks: Networks):
        """Takes the weights of a layer, by the names of `NetworkShape.weights`."""
        super().__init__()
        weights = {name: tf.cast(variable.value, tf.float32) for name, variable in networks.stacked.items()}
        self._shape = networks.shape
        self.classes = networks.shape.classes
        self._members = range(networks.members)
        units = self._shape.units

        def variable(value: tf.Tensor) -> tf.Variable:
            return tf.Variable(value, trainable=False)

        def lstm(name: str, member: int) -> tuple[tf.Variable, tf.Variable]:
            kernel = tf.concat([weights[f"{name}_kernel"], weights[f"{name}_recurrent_kernel"]], 1)
            return variable(kernel[member]), variable(weights[f"{name}_bias"][member])

        self._source_embedding = [variable(weights["source_embedding"][member]) for member in self._members]
        self._target_embedding = variable(weights["target_embedding"])
        self._encoder = [
            [[lstm(f"encoder_{layer}_{way}", member) for way in ("forward", "backward")] for member in self._members]
            for layer in range(self._shape.layers)
        ]
        self._decoder = [lstm("decoder", member) for member in self._members]
        # The gates come first of all dimensions, so that to take one copies nothing.
        kernel, bias, recurrent = (
            _gates_first(weights[f"decoder_{name}"]) for name in ("kernel", "bias", "recurrent_kernel")
        )
        bias = bias[:, :, tf.newaxis]
        self._from_token: tuple[tf.Variable, ...] = variable(kernel), variable(bias)
        if self._shape.target_size <= _MOST_TABLED:
            self._from_token = (variable(tf.matmul(weights["target_embedding"], kernel) + bias),)
        # With what is read goes what the hidden layer makes of it, with its bias, for shares add up to 1; with the keys, the
        # scale of the scores; with what the LSTM's output adds to the next gates, what it adds to the hidden layer.
        from_state, from_memory = tf.split(weights["hidden_kernel"], [units, 2 * units], 1)
        keys = tf.transpose(weights["query"], [0, 2, 1]) / (2 * units) ** 0.5
        hidden_bias = tf.pad(weights["hidden_bias"], [[0, 0], [units, 0]])
        self._keys_and_values = [
            (variable(tf.concat([keys[member], from_memory[member]], -1)), variable(hidden_bias[member]))
            for member in self._members
        ]
        self._from_output = variable(tf.concat([recurrent, from_state[tf.newaxis]], 0))
        self._output = variable(weights["output_kernel"]), variable(weights["output_bias"][:, tf.newaxis])

    def encode(self, source: tf.Tensor, plain: bool = False) -> Memory:
        """Reads inputs.

        Args:
          source: Tokens, int32 [N, source_length], padding on the right.
          plain: Whether there is no operation of a whole LSTM, which only TensorFlow itself has.
        """
        lstm: Callable[..., tf.Tensor] = _plain_lstm if plain else _lstm
        units = self._shape.units
        tokens = tf.transpose(source)
        steps, rows = tf.unstack(tf.shape(tokens))
        backwards = _reversed_rows(tokens)
        nothing = tf.zeros([rows, units])
        read = []
        for member in self._members:
            embedding = self._source_embedding[member]
            forward_in = tf.gather(embedding, tokens)
            backward_in = tf.gather(embedding, tf.gather(tf.reshape(tokens, [-1]), backwards))
            for layer in self._encoder:
                forward, backward = layer[member]
                # Not reverse_sequence, which takes twenty times as long.
                outputs = tf.reshape(lstm(backward, backward_in, nothing), [-1, units])
                hidden = tf.concat([lstm(forward, forward_in, nothing), tf.gather(outputs, backwards)], -1)
                forward_in, backward_in = hidden, tf.gather(tf.reshape(hidden, [-1, 2 * units]), backwards)
            kernel, bias = self._keys_and_values[member]
            read.append(tf.nn.bias_add(tf.matmul(tf.reshape(hidden, [-1, 2 * units]), kernel), bias))
        found = tf.reshape(tf.stack(read), [len(self._members), steps, rows, 2 * units])
        keys, values = tf.split(found, 2, -1)
        padding = tf.cast(source == PADDING, tf.float32)[:, tf.newaxis] * _NEVER
        return Memory(tf.transpose(keys, [0, 2, 3, 1]), tf.transpose(values, [0, 2, 1, 3]), padding)

    def begin(self, rows: tf.Tensor) -> State:
        """Returns the state before anything is said."""
        members, units = len(self._members), self._shape.units
        return State(tf.zeros([4, members, rows, units]), tf.zeros([members, rows, units]))

    def step(self, memory: Memory, state: State, token: tf.Tensor) -> tuple[tf.Tensor, State]:
        """Returns the probability of each class after one more token, int32 [N]: float [N, classes], and the new state."""
        gates = self._read_token(token) + state.gates
        in_gate, forget_gate, out_gate = tf.unstack(tf.sigmoid(gates[:3]))
        cell = forget_gate * state.cell + in_gate * tf.tanh(gates[3])
        output = out_gate * tf.tanh(cell)
        added = tf.matmul(output, self._from_output)
        # Each row of each network has keys of its own.
        read = tf.squeeze(tf.matmul(_shares(memory, output[:, :, tf.newaxis]), memory.values), 2)
        return self._say(added[4] + read), State(added[:4], cell)

    def read(self, memory: Memory, begun: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads beginnings of answers, int32 [N, target_length].

        Returns:
          Probability of each class after each of them, float [N, target_length, classes], and how much of each input token was
          read for it, [N, target_length, source_length].
        """
        units = self._shape.units
        members, rows, length = len(self._members), tf.shape(begun)[0], tf.shape(begun)[1]
        embedded = tf.gather(self._target_embedding, tf.transpose(begun), axis=1)
        nothing = tf.zeros([rows, units])
        outputs = tf.stack([_lstm(self._decoder[member], embedded[member], nothing) for member in self._members])
        output = tf.transpose(outputs, [0, 2, 1, 3])  # (networks, N, target_length, units)
        shares = _shares(memory, output)
        own = tf.matmul(tf.reshape(output, [members, -1, units]), self._from_output[4])
        said = self._say(own + tf.reshape(tf.matmul(shares, memory.values), [members, -1, units]))
        return tf.reshape(said, [rows, length, self._shape.classes]), tf.reduce_mean(shares, 0)

    def _read_token(self, token: tf.Tensor) -> tf.Tensor:
        """Returns what tokens int32 [N] add to the gates, float [4, networks, N, units]."""
        if len(self._from_token) == 1:
            return tf.gather(self._from_token[0], token, axis=2)
        kernel, bias = self._from_token
        return tf.matmul(tf.gather(self._target_embedding, token, axis=1), kernel) + bias

    def _say(self, hidden: tf.Tensor) -> tf.Tensor:
        """Returns the mean probabilities [rows, classes] by the hidden layers before tanh, [networks, rows, units]."""
        kernel, bias = self._output
        said = tf.nn.softmax(tf.matmul(tf.tanh(hidden), kernel) + bias)
        return tf.reduce_mean(said, 0)


def trained_networks(model: keras.Model) -> TrainedNetworks:
    """Returns the networks of a model of `build_model`."""
    return TrainedNetworks(model.layers[-1])


def _shares(memory: Memory, output: tf.Tensor) -> tf.Tensor:
    """Returns how much of each input token is read, by the LSTMs' outputs float [networks, N, steps, units]."""
    return tf.nn.softmax(tf.matmul(output, memory.keys) + memory.padding)


def _lstm(weights: tuple[tf.Variable, tf.Variable], inputs: tf.Tensor, nothing: tf.Tensor) -> tf.Tensor:
    """Runs an LSTM over [steps, N, features] from `nothing`, zeros [N, units]. Returns its outputs, [steps, N, units]."""
    kernel, bias = weights
    none = tf.zeros([nothing.shape[1]])
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


def _plain_lstm(weights: tuple[tf.Variable, tf.Variable], inputs: tf.Tensor, nothing: tf.Tensor) -> tf.Tensor:
    """Returns what `_lstm` returns, step by step."""
    kernel, bias = weights
    features = kernel.shape[0] - nothing.shape[1]
    steps = tf.shape(inputs)[0]
    rows = tf.reshape(inputs, [-1, features])
    read = tf.reshape(tf.matmul(rows, kernel[:features]) + bias, [steps, -1, kernel.shape[1]])
    recurrent = kernel[features:]

    def step(
        index: tf.Tensor, output: tf.Tensor, cell: tf.Tensor, outputs: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        in_gate, forget_gate, candidate, out_gate = tf.split(read[index] + tf.matmul(output, recurrent), 4, axis=-1)
        cell = tf.sigmoid(forget_gate) * cell + tf.sigmoid(in_gate) * tf.tanh(candidate)
        output = tf.sigmoid(out_gate) * tf.tanh(cell)
        return index + 1, output, cell, outputs.write(index, output)

    outputs = tf.TensorArray(tf.float32, steps, element_shape=nothing.shape)
    *_, outputs = tf.while_loop(lambda index, *_: index < steps, step, (0, nothing, nothing, outputs))
    return outputs.stack()


def _reversed_rows(tokens: tf.Tensor) -> tf.Tensor:
    """Returns where in [source_length * N, ...] the tokens int32 [source_length, N] are in reverse, but for their padding."""
    steps, rows = tf.unstack(tf.shape(tokens))
    lengths = tf.reduce_sum(tf.cast(tokens != PADDING, tf.int32), axis=0)
    step = tf.range(steps)[:, tf.newaxis]
    return tf.where(step < lengths, lengths - 1 - step, step) * rows + tf.range(rows)


def _gates_first(gates: tf.Tensor) -> tf.Tensor:
    """Returns [..., 4 * units] (input, forget, candidate, output) as [4, ..., units], the candidate last."""
    in_gate, forget_gate, candidate, out_gate = tf.split(gates, 4, axis=-1)
    return tf.stack([in_gate, forget_gate, out_gate, candidate])
