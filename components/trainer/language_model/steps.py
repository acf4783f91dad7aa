"""Training steps of streams in parts: each core works on some rows of the batch, whose states are its own.

As `components.trainer.parts` does it for rows that nothing connects. Here a part has its rows' states and random numbers of its
own for dropout. The gradient is that of the whole batch.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from components.trainer.keras_internals import record_loss, set_training_step

if TYPE_CHECKING:
    from components.trainer.language_model.streams import CarriedState

# Far from the seeds of the steps before and after, which differ by 1 in the counter beside it.
_SEED_STRIDE = 1_000_003


def train_in_parts(model: "CarriedState", batch_size: int, parts: int) -> None:
    """Has `model.fit` work on the parts of a batch at the same time.

    Args:
      model: A compiled model that carries its states.
      batch_size: Rows of a batch.
      parts: Number of parts.
    """
    core = model.core
    edges = [batch_size * part // parts for part in range(parts + 1)]
    pieces = [slice(begin, end) for begin, end in itertools.pairwise(edges)]
    shares = [(end - begin) / batch_size for begin, end in itertools.pairwise(edges)]

    @tf.function(jit_compile=model.jit_compile, autograph=False)  # type: ignore[untyped-decorator]
    def differentiate(
        tokens: tf.Tensor, targets: tf.Tensor, states: list[tf.Tensor], seeds: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """Returns loss, logits, states after, gradients and the next seeds."""
        weights = [variable.value for variable in core.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            (logits, *after), seeds = core.stateless_call(weights, seeds, [tokens, *states], training=True)
            loss = model.compute_loss(tokens, targets, logits, None, training=True)
            scaled = model.optimizer.scale_loss(loss)
        return loss, logits, after, [tf.convert_to_tensor(found) for found in tape.gradient(scaled, weights)], seeds

    @tf.function(jit_compile=model.jit_compile, autograph=False)  # type: ignore[untyped-decorator]
    def update(targets: tf.Tensor, losses: list[tf.Tensor], logits: list[tf.Tensor], gradients: list[Any]) -> None:
        def mean(values: Sequence[tf.Tensor]) -> tf.Tensor:
            return tf.add_n([value * tf.cast(share, value.dtype) for share, value in zip(shares, values, strict=True)])

        model.optimizer.apply([mean(values) for values in zip(*gradients, strict=True)], core.trainable_variables)
        record_loss(model, mean(losses), tf.cast(batch_size, tf.float32))
        model.compute_metrics(None, targets, tf.concat(logits, 0), None)

    def step(inputs: tuple[tf.Tensor, tf.Tensor], targets: tf.Tensor) -> None:
        tokens, states = inputs[0], model.states_before(inputs[1])
        seeds = [variable.value for variable in core.non_trainable_variables]
        found = [
            differentiate(
                tokens[piece],
                targets[piece],
                [state[piece] for state in states],
                [seed + tf.cast([part * _SEED_STRIDE, 0], seed.dtype) for seed in seeds],
            )
            for part, piece in enumerate(pieces)
        ]
        losses, logits, after, gradients, seeds_after = zip(*found, strict=True)
        update(targets, list(losses), list(logits), list(gradients))
        model.carry([tf.concat(parts_of, 0) for parts_of in zip(*after, strict=True)])
        for variable, seed in zip(core.non_trainable_variables, seeds_after[0], strict=True):
            variable.assign(seed)

    set_training_step(model, step)
