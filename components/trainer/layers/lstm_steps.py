"""The steps of an LSTM, whose training on a CPU is bound by their matrix products alone.

Keras's own loop, differentiated by TensorFlow, adds the gradient of the recurrent kernel up at every step: a product of a
small batch, and a read and a write of the whole kernel. Here the loop backward keeps the gates' gradients, and one product over
all steps gives the kernel's gradient, as cuDNN does on GPUs. What is kept of a step takes the place of what the step has read,
forward and backward, so that a batch has half the memory to go through.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

Index: TypeAlias = int | tf.Tensor
Tensors: TypeAlias = list[tf.Tensor]
Kept: TypeAlias = tf.Tensor | Tensors


def lstm_steps(
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    output: tf.Tensor,
    state: tf.Tensor,
    *,
    repeats: int = 0,
    unroll: bool = False,
    every: bool = True,
    fresh: bool = False,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs an LSTM whose input products are done.

    Args:
      projected: Input's part of the gates (input, forget, candidate, output), [steps, batch, 4 * units]; with `repeats`,
        [1, batch, 4 * units].
      recurrent_kernel: [units, 4 * units].
      output: Output before the first step, [batch, units].
      state: Cell state before the first step, [batch, units].
      repeats: Number of steps whose inputs are the same; 0 if each has its own.
      unroll: Whether the graph gets operations for each step, instead of a loop.
      every: Whether all outputs are wanted; if not, only the last is returned, and no gradient is taken of the others.
      fresh: Whether what is before the first step is zero, which spares the products with it where steps are unrolled.

    Returns:
      Outputs [steps, batch, units], or the last one [1, batch, units]; the last output and the last cell state.
    """
    run: Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]] = tf.custom_gradient(
        lambda *tensors: _forward(repeats, unroll, every, fresh and unroll, *tensors)
    )
    return run(projected, recurrent_kernel, output, state)


def _summed_product(left: Kept, right: Kept) -> tf.Tensor:
    """Returns the product [n, m] of [..., n] and [..., m], summed over the dimensions before."""
    # Not tensordot, which copies what it transposes.
    left, right = (tf.reshape(tensor, [-1, tensor.shape[-1]]) for tensor in map(_stacked, (left, right)))
    return tf.matmul(left, right, transpose_a=True)


def _forward(
    repeats: int,
    unroll: bool,
    every: bool,
    fresh: bool,
    projected: tf.Tensor,
    recurrent_kernel: tf.Tensor,
    output: tf.Tensor,
    state: tf.Tensor,
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, ...]]]:
    steps = repeats or projected.shape[0] or tf.shape(projected)[0]
    scale, shift = _gate_constants(output.shape[-1], output.dtype)

    def step(index: Index, inputs: tf.Tensor, carried: Tensors) -> tuple[Tensors, Tensors]:
        output, state = carried
        gates = inputs if fresh and index == 0 else inputs + tf.matmul(output, recurrent_kernel)
        in_gate, forget_gate, candidate, out_gate = tf.split(tf.tanh(gates * scale) * scale + shift, 4, axis=1)
        next_state = forget_gate * state + in_gate * candidate
        squashed = tf.tanh(next_state)
        next_output = out_gate * squashed
        # Derivatives are taken here, where their factors are at hand; the loop backward only multiplies.
        results_by_gates = [
            candidate * in_gate * (1 - in_gate),  # of the next state
            state * forget_gate * (1 - forget_gate),
            in_gate * (1 - candidate * candidate),
            squashed * out_gate * (1 - out_gate),  # of the output
        ]
        output_by_state = out_gate * (1 - squashed * squashed)
        kept = [tf.concat(results_by_gates, axis=1), output, output_by_state, forget_gate]
        return [next_output, next_state], [*kept, next_output] if every else kept

    state_shape, gates_shape = output.shape, [output.shape[0], recurrent_kernel.shape[1]]
    shapes = [gates_shape, *[state_shape] * (4 if every else 3)]
    (last_output, last_state), (results_by_gates, outputs_before, output_by_state, forget_gates, *outputs) = _scan(
        steps, unroll, step, [output, state], projected, shapes
    )

    def gradient(d_outputs: tf.Tensor, d_output: tf.Tensor, d_state: tf.Tensor) -> tuple[tf.Tensor, ...]:
        if not every:
            d_output += d_outputs[0]
        transposed = tf.transpose(recurrent_kernel)

        def step(index: Index, results_by_gates: tf.Tensor, carried: Tensors) -> tuple[Tensors, Tensors]:
            d_output, d_state = carried
            if every:
                d_output += d_outputs[index]
            d_state += d_output * output_by_state[index]
            d_gate = tf.concat([d_state, d_state, d_state, d_output], axis=1) * results_by_gates
            return [tf.matmul(d_gate, transposed), d_state * forget_gates[index]], [d_gate]

        (d_first_output, d_first_state), (d_gates,) = _scan(
            steps, unroll, step, [d_output, d_state], results_by_gates, [gates_shape], backward=True
        )
        begin = 1 if fresh and steps > 1 else 0
        d_kernel = _summed_product(outputs_before[begin:], d_gates[begin:])
        d_projected = _stacked(d_gates)
        if repeats:
            d_projected = tf.reduce_sum(d_projected, axis=0, keepdims=True)
        return d_projected, d_kernel, d_first_output, d_first_state

    return (_stacked(outputs[0]) if every else last_output[tf.newaxis], last_output, last_state), gradient


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
    step: Callable[[Index, tf.Tensor, Tensors], tuple[Tensors, Tensors]],
    carried: Tensors,
    inputs: Kept,
    shapes: Any,
    *,
    backward: bool = False,
) -> tuple[Tensors, list[Kept]]:
    """Runs `step` for the indices 0 to `steps` - 1.

    Args:
      steps: Number of steps.
      unroll: Whether each has operations of its own.
      step: From an index, the input at that index and what the step before carried to what is carried on and what is kept.
      carried: What the first step gets.
      inputs: By index; a single one is that of all steps.
      shapes: Those of what is kept.
      backward: Whether the last index is first.

    Returns:
      What the last step carried, and all that was kept, by index: lists if unrolled, else tensors with a new first dimension.
    """
    same = len(inputs) == 1 if isinstance(inputs, list) else inputs.shape[0] == 1
    if unroll:
        order = range(int(steps))
        kept: dict[int, Tensors] = {}
        for index in reversed(order) if backward else order:
            carried, kept[index] = step(index, inputs[0 if same else index], carried)
        return carried, [list(values) for values in zip(*(kept[index] for index in order), strict=True)]

    def body(done: tf.Tensor, *loop: Any) -> tuple[Any, ...]:
        index = steps - 1 - done if backward else done
        carried, arrays = loop[: len(before)], loop[len(before) :]
        after, values = step(index, inputs[0] if same else arrays[0].read(index), list(carried))
        return done + 1, *after, *(array.write(index, value) for array, value in zip(arrays, values, strict=True))

    before = carried
    arrays = [tf.TensorArray(before[0].dtype, steps, element_shape=shape, clear_after_read=False) for shape in shapes]
    if not same:
        # What is kept first takes the place of the input, which has its shape: less memory to go through is less time.
        arrays[0] = arrays[0].unstack(inputs)
    # XLA needs the bound to differentiate and to allocate.
    _, *after = tf.while_loop(lambda done, *_: done < steps, body, (0, *before, *arrays), maximum_iterations=steps)
    return after[: len(before)], [array.stack() for array in after[len(before) :]]


def _stacked(values: Kept) -> tf.Tensor:
    return tf.stack(values) if isinstance(values, list) else values
