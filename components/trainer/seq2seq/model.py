"""The Keras model: several networks of one shape, trained on the same batches and asked together.

Their weights lie one after the other in one variable of each kind, so that optimizer, checkpoints and export have few
variables, and decoding few operations.
"""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from components.trainer.fitting import OUTPUT_LAYER
from components.trainer.seq2seq.network import FIRST_CLASS, NetworkShape, Weights, dropout, logits, no_drop
from components.trainer.seq2seq.settings import Seq2SeqSettings


def build_model(settings: Seq2SeqSettings, source_size: int, target_size: int) -> keras.Model:
    """Returns the untrained model.

    Args:
      settings: What to build; nothing of it is left open.
      source_size: Indices of the input's vocabulary.
      target_size: Indices of the answer's vocabulary.

    Returns:
      From source int32 [batch, source_length] and begun int32 [batch, target_length], both padded on the right, to logits
      float32 [batch, target_length, members, classes].
    """
    source = keras.Input([None], dtype="int32", name="source")
    begun = keras.Input([None], dtype="int32", name="begun")
    shape = NetworkShape(source_size, target_size, settings.embedding, settings.units, settings.layers)
    networks = Networks(shape, settings.members, settings.dropout, name=OUTPUT_LAYER)
    return keras.Model([source, begun], networks([source, begun]), name="seq2seq")


@keras.saving.register_keras_serializable("charseq")
class Networks(keras.layers.Layer):  # type: ignore[misc]
    """Networks of one shape; see `network.logits`."""

    def __init__(self, shape: NetworkShape | dict[str, int], members: int, rate: float, **kwargs: Any):
        """Makes the layer.

        Args:
          shape: The shape of each network.
          members: Number of networks.
          rate: Share of elements that training drops.
          **kwargs: Keras's.
        """
        super().__init__(**kwargs)
        self.shape = NetworkShape(**shape) if isinstance(shape, dict) else shape
        self.members, self.rate = members, rate
        self.seeds = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        self.stacked = {
            name: self.add_weight((self.members, *shape), _initializer(name, shape, self.members), name=name)
            for name, shape in self.shape.weights().items()
        }

    def member(self, index: int | tf.Tensor) -> Weights:
        """Returns one network's weights in the layer's compute dtype."""
        return {name: tf.cast(variable.value[index], self.compute_dtype) for name, variable in self.stacked.items()}

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns logits float32 [batch, target_length, members, classes]."""
        source, begun = inputs
        seed = next_seed(self.seeds) if training else None
        said = [
            logits(
                self.member(index),
                self.shape,
                source,
                begun,
                no_drop if seed is None else dropout(self.rate, member_seed(seed, index)),
            )
            for index in range(self.members)
        ]
        return tf.cast(tf.stack(said, axis=2), tf.float32)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[1], self.members, self.shape.classes)

    def get_config(self) -> dict[str, Any]:
        own = {"shape": dataclasses.asdict(self.shape), "members": self.members, "rate": self.rate}
        return {**super().get_config(), **own}


def next_seed(seeds: keras.random.SeedGenerator) -> tf.Tensor:
    """Returns the seed of a step, int32 [2]; the generator moves on."""
    return tf.cast(keras.ops.convert_to_tensor(seeds.next()), tf.int32)


def member_seed(seed: tf.Tensor, index: int | tf.Tensor) -> tf.Tensor:
    """Returns a member's seed of a step whose seed is int32 [2]."""
    # Far from that of the step before and after, which differ by 1, and of the uses within a step.
    return seed + tf.stack([0, 1_000_003 * (1 + index)])


@keras.saving.register_keras_serializable("charseq")
class SmoothedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Mean cross-entropy of the members with smoothed labels (Szegedy et al. 2016), from logits."""

    def __init__(self, label_smoothing: float, **kwargs: Any):
        super().__init__(**{"reduction": "mean_with_sample_weight", "name": "cross_entropy", **kwargs})
        self.label_smoothing = label_smoothing

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each token, [batch, length], of targets [batch, length] and logits [..., members, classes]."""
        losses, _ = token_losses(y_true[..., tf.newaxis], y_pred, self.label_smoothing)
        return tf.reduce_mean(losses, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("charseq")
class TokenAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """Share of tokens that a member says rightly, given those before them."""

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        _, right = token_losses(y_true[..., tf.newaxis], y_pred, 0.0)
        super().update_state(tf.reduce_mean(right, axis=-1), sample_weight)

    def add(self, share: tf.Tensor, tokens: tf.Tensor) -> None:
        """Counts the share of right ones among so many tokens."""
        super().update_state(share, tokens)


def token_losses(targets: tf.Tensor, logits: tf.Tensor, label_smoothing: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns cross-entropy and rightness (1 or 0) of each token.

    Args:
      targets: Indices [...], whole numbers of any dtype (Keras makes them floats); what is said of padding means nothing.
      logits: float [..., classes].
      label_smoothing: Share of the label that all classes have equally.
    """
    log_probabilities = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    # Not a gather, whose gradient XLA adds up row by row.
    label = tf.one_hot(tf.cast(targets, tf.int32) - FIRST_CLASS, logits.shape[-1])
    own = tf.reduce_sum(log_probabilities * label, axis=-1)
    smoothed = (1 - label_smoothing) * own + label_smoothing * tf.reduce_mean(log_probabilities, axis=-1)
    right = tf.cast(own >= tf.reduce_max(log_probabilities, axis=-1), tf.float32)
    return -smoothed, right


def _initializer(name: str, shape: tuple[int, ...], members: int) -> Any:
    """Returns the initializer of a kind of weight, [members, ...]: each member is drawn by itself."""

    def draw() -> tf.Tensor:
        if name.endswith("embedding"):
            # As large as one-hot vectors: if they began at Keras's 0.05, the first epoch would be spent on growing.
            return keras.initializers.RandomNormal(stddev=1.0)(shape)
        if name.endswith("recurrent_kernel"):
            return keras.initializers.Orthogonal()(shape)
        if name.endswith("bias"):
            if not name.startswith(("encoder", "decoder")):
                return tf.zeros(shape)
            # Nothing is forgotten at first (Jozefowicz et al. 2015).
            return tf.repeat(tf.constant([0.0, 1.0, 0.0, 0.0]), shape[0] // 4)
        if name.startswith(("encoder", "decoder")):
            # By what goes in alone: Glorot's counts the four gates as well, and halves the gates' first inputs.
            return keras.initializers.LecunNormal()(shape)
        return keras.initializers.GlorotUniform()(shape)

    return lambda shape, dtype=None: tf.cast(tf.stack([draw() for _ in range(members)]), dtype or tf.float32)
