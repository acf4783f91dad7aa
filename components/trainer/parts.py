"""Training steps in parts: each core works on some rows of the batch, then the gradients are averaged.

A step of a small recurrent model is hundreds of small operations one after the other, which XLA runs on little more than one
core; were each split over the cores, they would wait for each other more than they work. Parts of the batch do not wait. The
gradient is that of the whole batch; sums are taken in another order, so the last bits of the weights depend on the number of
parts.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from components.trainer.keras_internals import record_loss, set_train_function
from serving.contract.processors import count_processors

# With fewer rows a matrix product takes more time for each row; the second is that of the wider networks of pairs and streams.
_LEAST_ROWS = 32
_LEAST_ROWS_FOR_CORES = 16

# What an LSTM of 128 units keeps of more of them for its gradient leaves no room for another part's in the caches: reference 3
# takes a twentieth less time in 4 parts than in 2, on 2 cores.
_MOST_CHARACTERS = 1_280


def count_parts(batch_size: int, length: int) -> int:
    """Returns into how many parts a batch of short rows is worth splitting here: 1 where there is a GPU.

    Args:
      batch_size: Rows of a batch.
      length: Characters of a row.
    """
    if tf.config.list_physical_devices("GPU"):
        return 1
    cores = count_processors()
    turns = -(-batch_size * length // (_MOST_CHARACTERS * cores))  # as many parts for each core
    return max(1, min(turns * cores, batch_size // _LEAST_ROWS))


def count_parts_for_cores(batch_size: int, members: int = 1) -> int:
    """Returns into how many parts a batch is split so that every core has one: 1 where there is a GPU.

    Args:
      batch_size: Rows of a batch.
      members: Networks that are trained at the same time, each with parts of its own.
    """
    if tf.config.list_physical_devices("GPU"):
        return 1
    return max(1, min(-(-count_processors() // members), batch_size // _LEAST_ROWS_FOR_CORES))


def train_in_parts(model: keras.Model, parts: int, batch_size: int, at_a_time: int) -> None:
    """Has `model.fit` work on the parts of a batch at the same time.

    Args:
      model: A compiled model from one tensor [batch, ...] to one, whose call changes no variable (no dropout, no carried
        state) and whose loss is a mean over the rows.
      parts: Number of parts.
      batch_size: Rows of a batch.
      at_a_time: How many batches an element of the data has, of which the last may be smaller; a divisor of
        `model.steps_per_execution`.
    """
    elements = model.steps_per_execution // at_a_time
    edges = [batch_size * part // parts for part in range(parts + 1)]
    pieces = [slice(begin, end) for begin, end in itertools.pairwise(edges)]

    @tf.function(jit_compile=model.jit_compile, autograph=False)  # type: ignore[untyped-decorator]
    def differentiate(inputs: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Any, Any]:
        with tf.GradientTape() as tape:
            predictions = model(inputs, training=True)
            loss = model.compute_loss(inputs, targets, predictions, weights, training=True)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        return loss, predictions, [tf.convert_to_tensor(gradient) for gradient in gradients]

    @tf.function(jit_compile=model.jit_compile, autograph=False)  # type: ignore[untyped-decorator]
    def update(targets: tf.Tensor, weights: tf.Tensor, found: list[tuple[tf.Tensor, Any, Any]]) -> None:
        losses, predictions, gradients = zip(*found, strict=True)
        counts = [tf.reduce_sum(weights[piece]) for piece in pieces]
        count = tf.add_n(counts)

        def mean(values: tuple[tf.Tensor, ...]) -> tf.Tensor:
            return tf.add_n(
                [value * tf.cast(part / count, value.dtype) for part, value in zip(counts, values, strict=True)]
            )

        model.optimizer.apply([mean(values) for values in zip(*gradients, strict=True)], model.trainable_variables)
        record_loss(model, mean(losses), count)
        model.compute_metrics(None, targets, tf.concat(predictions, 0), weights)

    def step(inputs: tf.Tensor, targets: tf.Tensor) -> None:
        # Rows that weigh nothing fill up the last batch. XLA would otherwise compile everything again for its shape.
        inputs, targets, weights = (
            _fill(rows, batch_size) for rows in (inputs, targets, tf.ones_like(targets, tf.float32))
        )
        # Nothing here waits for anything but its rows, so TensorFlow runs them at the same time.
        update(targets, weights, [differentiate(inputs[piece], targets[piece], weights[piece]) for piece in pieces])

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(iterator: Iterator[tuple[tf.Tensor, tf.Tensor]]) -> None:
        def take(done: tf.Tensor) -> tuple[tf.Tensor]:
            # Each time, the step waits for another thread to wake up, and is then disturbed by it.
            inputs, targets = next(iterator)

            def body(begin: tf.Tensor) -> tuple[tf.Tensor]:
                batch = slice(begin, begin + batch_size)
                step(inputs[batch], targets[batch])
                return (begin + batch_size,)

            tf.while_loop(lambda begin: begin < tf.shape(inputs)[0], body, (0,), parallel_iterations=1)
            return (done + 1,)

        tf.while_loop(lambda done: done < elements, take, (0,), parallel_iterations=1)

    def run_and_measure(iterator: Iterator[tuple[tf.Tensor, tf.Tensor]]) -> dict[str, Any]:
        run(iterator)
        return dict(model.get_metrics_result())

    set_train_function(model, run_and_measure)


def _fill(rows: tf.Tensor, count: int) -> tf.Tensor:
    """Returns [count, ...], zeros after the rows [at most `count`, ...]."""
    filled = tf.pad(rows, [[0, count - tf.shape(rows)[0]], *[[0, 0]] * (len(rows.shape) - 1)])
    return tf.ensure_shape(filled, [count, *rows.shape[1:]])
