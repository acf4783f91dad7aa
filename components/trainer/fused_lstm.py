"""An LSTM whose training step on a CPU is bound by its matrix products alone.

Keras's own loop, differentiated by TensorFlow, adds the gradient of the recurrent kernel up at every step: a product of a
small batch, and a read and a write of the whole kernel. Here the loop backward keeps the gates' gradients, and one product over
all steps gives the kernel's gradient, as cuDNN does on GPUs. The input's product, too, is one for all steps. The mathematics
is that of keras.layers.LSTM; sums are taken in another order.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from components.trainer.dropout import drop

Index: TypeAlias = int | tf.Tensor
Tensors: TypeAlias = list[tf.Tensor]


@keras.saving.register_keras_serializable("charseq")
class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """keras.layers.LSTM with the same weights and results: float [batch, steps, features] to float [batch, steps, units].

    With `one_hot`, the features are one-hot vectors, and the product with one is a row of the kernel. With `repeated`, they are
    the same at all steps, as RepeatVector makes them, and one product is that of all. With `unroll`, for few steps, each has
    operations of its own.

    With `weight_dropout`, in training that share of the recurrent kernel is dropped, the same one at all steps of a call
    (DropConnect; Merity et al. 2017, "Regularizing and Optimizing LSTM Language Models").

    Where there is a GPU, or something is asked for that the loop here does not do (a mask, dropout within the cell, other
    activations), it is Keras's own loop, unless there is weight dropout, which that has not.
    """

    def __init__(
        self,
        units: int,
        weight_dropout: float = 0.0,
        one_hot: bool = False,
        repeated: bool = False,
        **kwargs: Any,
    ):
        # "auto" keeps Keras from compiling with XLA, and without a GPU for nothing.
        cudnn = tf.config.list_physical_devices("GPU") and not weight_dropout
        super().__init__(units, **{**kwargs, "use_cudnn": "auto" if cudnn else False})
        self.weight_dropout, self.one_hot, self.repeated = weight_dropout, one_hot, repeated
        self._seed_generator = keras.random.SeedGenerator()

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made from."""
        own = {"weight_dropout": self.weight_dropout, "one_hot": self.one_hot, "repeated": self.repeated}
        return {**super().get_config(), **own}

    def inner_loop(
        self, sequences: tf.Tensor, initial_state: list[tf.Tensor], mask: tf.Tensor | None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Runs the steps: last output [batch, units], outputs [batch, steps, units] and the states after the last step."""
        cell = self.cell
        usual = cell.activation is keras.activations.tanh and cell.recurrent_activation is keras.activations.sigmoid
        if self.use_cudnn or mask is not None or cell.dropout or cell.recurrent_dropout or not usual:
            if self.weight_dropout:
                raise NotImplementedError("weight dropout goes with neither masks nor other activations")
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[no-any-return]
        dtype = sequences.dtype
        kernel, recurrent_kernel, bias = (
            tf.cast(weight, dtype) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)
        )
        if self.weight_dropout and training:
            recurrent_kernel = drop(recurrent_kernel, self.weight_dropout, self._seed_generator)
        repeats = int(sequences.shape[1] or 0) if self.repeated else 0
        features = tf.transpose(sequences[:, :1] if repeats else sequences, [1, 0, 2])
        projected = _rows(_indices(features), kernel) if self.one_hot else tf.tensordot(features, kernel, 1)
        projected += bias  # (steps, or 1 if they are all the same, batch, 4 * units)
        outputs, output, state = lstm_steps(
            projected,
            recurrent_kernel,
            *initial_state,
            repeats=repeats,
            unroll=self.unroll,
            every=self.return_sequences,
        )
        return output, tf.transpose(outputs, [1, 0, 2]), [output, state]


def lstm_steps(
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    output: tf.Tensor,
    state: tf.Tensor,
    *,
    repeats: int = 0,
    unroll: bool = False,
    every: bool = True,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs an LSTM whose input products are done.

    Args:
      projected: Input's part of the gates (input, forget, candidate, output), [steps, batch, 4 * units]; with `repeats`,
        [1, batch, 4 * units].
      recurrent_kernel: [units, 4 * units].
      output: Output before the first step, [batch, units].
      state: Cell state before the first step, [batch, units].
      repeats: Number of steps whose inputs are the same; 0 if each has its own.
      unroll: Whether the graph gets operations for each step, in place of a loop.
      every: Whether all outputs are wanted; if not, only the last is returned, and no gradient is taken of the others.

    Returns:
      Outputs [steps, batch, units], or the last one [1, batch, units]; the last output and the last cell state.
    """
    run: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]] = tf.custom_gradient(
        lambda *tensors: _forward(repeats, unroll, every, *tensors)
    )
    return run(projected, recurrent_kernel, output, state)


def _indices(vectors: tf.Tensor) -> tf.Tensor:
    """Returns where one-hot vectors [..., rows] are 1, int32 [...]."""
    # XLA's argmax compares element by element. This takes a fifth of the time, and is exact, as a product on a GPU is not.
    numbers = tf.range(tf.shape(vectors)[-1], dtype=tf.float32)
    return tf.cast(tf.reduce_sum(tf.cast(vectors, tf.float32) * numbers, axis=-1), tf.int32)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _rows(indices: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[None, tf.Tensor]]]:
    """Returns rows of a kernel [rows, columns]."""

    def gradient(d_rows: tf.Tensor) -> tuple[None, tf.Tensor]:
        # A product, which is many times as fast as adding rows up one by one.
        return None, _summed_product(tf.one_hot(indices, kernel.shape[0], dtype=d_rows.dtype), d_rows)

    return tf.gather(kernel, indices), gradient


def _summed_product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Returns the product [n, m] of [..., n] and [..., m], summed over the dimensions before."""
    # Not tensordot, which copies what it transposes.
    left, right = (tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in (left, right))
    return tf.matmul(left, right, transpose_a=True)


def _forward(
    repeats: int,
    unroll: bool,
    every: bool,
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    output: tf.Tensor,
    state: tf.Tensor,
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, ...]]]:
    steps = repeats or projected.shape[0] or tf.shape(projected)[0]
    scale, shift = _gate_constants(output.shape[-1], output.dtype)

    def step(index: Index, carried: Tensors) -> tuple[Tensors, Tensors]:
        output, state = carried
        gates = projected[0 if repeats else index] + tf.matmul(output, recurrent_kernel)
        in_gate, forget_gate, candidate, out_gate = tf.split(tf.tanh(gates * scale) * scale + shift, 4, axis=1)
        next_state = forget_gate * state + in_gate * candidate
        squashed = tf.tanh(next_state)
        output = out_gate * squashed
        # Derivatives are taken here, where their factors are at hand; the loop backward only multiplies.
        results_by_gates = [
            candidate * in_gate * (1 - in_gate),  # of the next state
            state * forget_gate * (1 - forget_gate),
            in_gate * (1 - candidate * candidate),
            squashed * out_gate * (1 - out_gate),  # of the output
        ]
        output_by_state = out_gate * (1 - squashed * squashed)
        return [output, next_state], [output, tf.concat(results_by_gates, axis=1), output_by_state, forget_gate]

    state_shape, gates_shape = output.shape, [output.shape[0], recurrent_kernel.shape[1]]
    (last_output, last_state), (outputs, results_by_gates, output_by_state, forget_gates) = _scan(
        steps, unroll, step, [output, state], [state_shape, gates_shape, state_shape, state_shape]
    )

    def gradient(d_outputs: tf.Tensor, d_output: tf.Tensor, d_state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if not every:
            d_output += d_outputs[0]
        outputs_before = tf.concat([output[tf.newaxis], outputs[:-1]], axis=0)
        transposed = tf.transpose(recurrent_kernel)

        def step(index: Index, carried: Tensors) -> tuple[Tensors, Tensors]:
            d_output, d_state = carried
            if every:
                d_output += d_outputs[index]
            d_state += d_output * output_by_state[index]
            d_gate = tf.concat([d_state, d_state, d_state, d_output], axis=1) * results_by_gates[index]
            return [tf.matmul(d_gate, transposed), d_state * forget_gates[index]], [d_gate]

        (d_first_output, d_first_state), (d_gates,) = _scan(
            steps, unroll, step, [d_output, d_state], [gates_shape], backward=True
        )
        d_kernel = _summed_product(outputs_before, d_gates)
        d_projected = tf.reduce_sum(d_gates, axis=0, keepdims=True) if repeats else d_gates
        return d_projected, d_kernel, d_first_output, d_first_state

    return (outputs if every else last_output[tf.newaxis], last_output, last_state), gradient


def _gate_constants(units: int, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what makes all gates' activations one: tanh(gates * scale) * scale + shift.

    sigmoid(x) is tanh(x / 2) / 2 + 1 / 2. XLA makes one loop of vector instructions of it, where a sigmoid for three of the
    gates and a tanh for the fourth are loops of their own over parts of the rows.
    """
    scale, shift = tf.constant([0.5, 0.5, 1.0, 0.5], dtype), tf.constant([0.5, 0.5, 0.0, 0.5], dtype)
    return tf.repeat(scale, units), tf.repeat(shift, units)


def _scan(
    steps: Index,
    unroll: bool,
    step: Callable[[Index, Tensors], tuple[Tensors, Tensors]],
    carried: Tensors,
    shapes: Any,
    *,
    backward: bool = False,
) -> tuple[Tensors, Tensors]:
    """Runs `step` for the indices 0 to `steps` - 1.

    Args:
      steps: Number of steps.
      unroll: Whether each has operations of its own.
      step: From an index and what the step before carried to what is carried on and what is kept.
      carried: What the first step gets.
      shapes: Those of what is kept.
      backward: Whether the last index is first.

    Returns:
      What the last step carried, and all that was kept, by index along a new first dimension.
    """
    if unroll:
        order = range(int(steps))
        kept: dict[int, Tensors] = {}
        for index in reversed(order) if backward else order:
            carried, kept[index] = step(index, carried)
        return carried, [tf.stack(values) for values in zip(*(kept[index] for index in order), strict=True)]

    def body(done: tf.Tensor, *loop: Any) -> tuple[Any, ...]:
        index = steps - 1 - done if backward else done
        carried, arrays = loop[: len(before)], loop[len(before) :]
        after, values = step(index, list(carried))
        return done + 1, *after, *(array.write(index, value) for array, value in zip(arrays, values, strict=True))

    before = carried
    arrays = [tf.TensorArray(before[0].dtype, steps, element_shape=shape) for shape in shapes]
    # XLA needs the bound to differentiate and to allocate.
    _, *after = tf.while_loop(lambda done, *_: done < steps, body, (0, *before, *arrays), maximum_iterations=steps)
    return after[: len(before)], [array.stack() for array in after[len(before) :]]
