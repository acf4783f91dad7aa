"""Training steps whose pieces, members and rows of the batch, are worked on at the same time.

A step of one small recurrent network is hundreds of small operations one after the other, which XLA runs on little more than
one core. Pieces do not wait for each other. Gradients are those of all members and of the whole batch; only the order of sums
differs.
"""

import itertools

import keras
import tensorflow as tf

from components.trainer.keras_internals import build_metrics, record_loss, set_training_step
from components.trainer.seq2seq.batches import Batch
from components.trainer.seq2seq.model import (
    Networks,
    SmoothedCrossEntropy,
    TokenAccuracy,
    member_seed,
    next_seed,
    token_losses,
)
from components.trainer.seq2seq.network import dropout, logits


def train_in_pieces(model: keras.Model, accuracy: TokenAccuracy, batch: Batch, parts: int) -> None:
    """Has `model.fit` work on the pieces of a step at the same time.

    Args:
      model: A compiled model of `build_model`.
      accuracy: Its metric.
      batch: Any batch, for the shapes that metrics are made with.
      parts: Into how many parts the rows of a batch are split.
    """
    build_metrics(model, batch)
    networks: Networks = model.layers[-1]
    loss: SmoothedCrossEntropy = model.loss
    names = list(networks.stacked)

    # The member is a tensor, so that XLA compiles one program for all of them.
    @tf.function(jit_compile=model.jit_compile, autograph=False)
    def differentiate(
        member: tf.Tensor, source: tf.Tensor, begun: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Returns the sums of loss and rightness over a piece's tokens, and the gradient of the loss by each weight."""
        own = {name: networks.stacked[name].value[member] for name in names}
        with tf.GradientTape() as tape:
            tape.watch(own)
            cast = {name: tf.cast(weight, networks.compute_dtype) for name, weight in own.items()}
            said = logits(cast, networks.shape, source, begun, dropout(networks.rate, seed))
            losses, right = token_losses(targets, said, loss.label_smoothing)
            total = tf.reduce_sum(losses * weights)
            scaled = model.optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, own)
        return total, tf.reduce_sum(right * weights), [gradients[name] for name in names]

    @tf.function(jit_compile=model.jit_compile, autograph=False)
    def update(weights: tf.Tensor, found: list[list[tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]]]) -> None:
        count = tf.reduce_sum(weights)
        losses, right, gradients = [], [], []
        for pieces in found:  # a member's
            for part_loss, part_right, _ in pieces:
                losses.append(part_loss)
                right.append(part_right)
            gradients.append([tf.add_n(values) for values in zip(*(piece[2] for piece in pieces), strict=True)])
        tokens = count * networks.members
        stacked = [tf.stack(values) / tokens for values in zip(*gradients, strict=True)]
        model.optimizer.apply(stacked, [networks.stacked[name] for name in names])
        record_loss(model, tf.add_n(losses) / tokens, count)
        accuracy.add(tf.add_n(right) / tokens, count)

    def step(inputs: tuple[tf.Tensor, tf.Tensor], targets: tf.Tensor, weights: tf.Tensor) -> None:
        source, begun = inputs
        edges = [tf.shape(source)[0] * part // parts for part in range(parts + 1)]
        slices = [slice(begin, end) for begin, end in itertools.pairwise(edges)]
        seed = next_seed(networks.seeds)
        # Nothing here waits for anything but its rows, so TensorFlow runs them at the same time.
        found = [
            [
                differentiate(
                    tf.constant(member),
                    source[rows],
                    begun[rows],
                    targets[rows],
                    weights[rows],
                    member_seed(seed, member * parts + part),
                )
                for part, rows in enumerate(slices)
            ]
            for member in range(networks.members)
        ]
        update(weights, found)

    set_training_step(model, step)
