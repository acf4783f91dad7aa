"""An LSTM whose training step on a CPU is bound by its matrix products alone.

Keras's own loop, differentiated by TensorFlow, adds the gradient of the recurrent kernel up at every step: a product of a
small batch, and a read and a write of the whole kernel. Here the loop backward keeps the gates' gradients, and one product over
all steps gives the kernel's gradient, as cuDNN does on GPUs. The input's product, too, is one for all steps. The mathematics
is that of keras.layers.LSTM; sums are taken in another order.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.trainer.dropout import drop


@keras.saving.register_keras_serializable("charseq")
class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """keras.layers.LSTM with the same weights and results: float [batch, steps, features] to float [batch, steps, units].

    With `weight_dropout`, in training that share of the recurrent kernel is dropped, the same one at all steps of a call
    (DropConnect; Merity et al. 2017, "Regularizing and Optimizing LSTM Language Models").

    Where there is a GPU, or something is asked for that the loop here does not do (a mask, dropout within the cell, other
    activations), it is Keras's own loop, unless there is weight dropout, which that has not.
    """

    def __init__(self, units: int, weight_dropout: float = 0.0, **kwargs: Any):
        # "auto" keeps Keras from compiling with XLA, and without a GPU for nothing.
        cudnn = tf.config.list_physical_devices("GPU") and not weight_dropout
        super().__init__(units, **{**kwargs, "use_cudnn": "auto" if cudnn else False})
        self.weight_dropout = weight_dropout
        self._seed_generator = keras.random.SeedGenerator()

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made from."""
        return {**super().get_config(), "weight_dropout": self.weight_dropout}

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
        time_major = tf.transpose(sequences, [1, 0, 2])
        projected = tf.tensordot(time_major, kernel, 1) + bias  # (steps, batch, 4 * units)
        outputs, output, state = lstm_steps(projected, recurrent_kernel, *initial_state)
        return output, tf.transpose(outputs, [1, 0, 2]), [output, state]


def lstm_steps(
    projected: tf.Tensor, recurrent_kernel: tf.Tensor, output: tf.Tensor, state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs an LSTM whose input products are done.

    Args:
      projected: Input's part of the gates (input, forget, candidate, output), [steps, batch, 4 * units].
      recurrent_kernel: [units, 4 * units].
      output: Output before the first step, [batch, units].
      state: Cell state before the first step, [batch, units].

    Returns:
      Outputs [steps, batch, units], the last output and the last cell state.
    """
    run: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]] = tf.custom_gradient(_forward)
    return run(projected, recurrent_kernel, output, state)


def _forward(
    projected: tf.Tensor, recurrent_kernel: tf.Tensor, output: tf.Tensor, state: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, ...]]]:
    steps = projected.shape[0] or tf.shape(projected)[0]

    def step(
        index: tf.Tensor, output: tf.Tensor, state: tf.Tensor, *arrays: tf.TensorArray
    ) -> tuple[tf.Tensor | tf.TensorArray, ...]:
        gates = projected[index] + tf.matmul(output, recurrent_kernel)
        in_gate, forget_gate, candidate, out_gate = tf.split(gates, 4, axis=1)
        in_gate, forget_gate, out_gate = (tf.sigmoid(gate) for gate in (in_gate, forget_gate, out_gate))
        candidate = tf.tanh(candidate)
        state = forget_gate * state + in_gate * candidate
        output = out_gate * tf.tanh(state)
        gates = tf.concat([in_gate, forget_gate, candidate, out_gate], axis=1)
        written = [array.write(index, value) for array, value in zip(arrays, (output, state, gates), strict=True)]
        return index + 1, output, state, *written

    shapes = (output.shape, state.shape, [output.shape[0], recurrent_kernel.shape[1]])
    arrays = [tf.TensorArray(output.dtype, steps, element_shape=shape) for shape in shapes]
    _, last_output, last_state, *arrays = _loop(steps, step, (0, output, state, *arrays))
    outputs, states, gates = (array.stack() for array in arrays)

    def gradient(d_outputs: tf.Tensor, d_output: tf.Tensor, d_state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        states_before = tf.concat([state[tf.newaxis], states[:-1]], axis=0)
        outputs_before = tf.concat([output[tf.newaxis], outputs[:-1]], axis=0)
        transposed = tf.transpose(recurrent_kernel)

        def step(
            done: tf.Tensor, d_output: tf.Tensor, d_state: tf.Tensor, d_gates: tf.TensorArray
        ) -> tuple[tf.Tensor | tf.TensorArray, ...]:
            index = steps - 1 - done
            in_gate, forget_gate, candidate, out_gate = tf.split(gates[index], 4, axis=1)
            squashed = tf.tanh(states[index])
            d_output += d_outputs[index]
            d_state += d_output * out_gate * (1 - squashed * squashed)
            d_gate = tf.concat(
                [
                    d_state * candidate * in_gate * (1 - in_gate),
                    d_state * states_before[index] * forget_gate * (1 - forget_gate),
                    d_state * in_gate * (1 - candidate * candidate),
                    d_output * squashed * out_gate * (1 - out_gate),
                ],
                axis=1,
            )
            return done + 1, tf.matmul(d_gate, transposed), d_state * forget_gate, d_gates.write(index, d_gate)

        d_gates = tf.TensorArray(output.dtype, steps, element_shape=shapes[2])
        _, d_first_output, d_first_state, d_gates = _loop(steps, step, (0, d_output, d_state, d_gates))
        d_projected = d_gates.stack()
        d_kernel = tf.tensordot(outputs_before, d_projected, [[0, 1], [0, 1]])
        return d_projected, d_kernel, d_first_output, d_first_state

    return (outputs, last_output, last_state), gradient


def _loop(steps: int | tf.Tensor, step: Callable[..., tuple[Any, ...]], start: tuple[Any, ...]) -> tuple[Any, ...]:
    """Runs `step` for the indices 0 to `steps` - 1; XLA needs the bound to differentiate and to allocate."""
    looped: tuple[Any, ...] = tf.while_loop(lambda index, *_: index < steps, step, start, maximum_iterations=steps)
    return looped
