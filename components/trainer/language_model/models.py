"""The language models: from indices of characters to logits of the next one.

The parts have names, by which `decoding` finds them again to run the model a character at a time.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from components.trainer.dropout import Dropout
from components.trainer.fitting import OUTPUT_LAYER
from components.trainer.fused_lstm import FusedLSTM
from components.trainer.language_model.settings import LanguageModelSettings

INPUTS = "inputs"


def recurrent_name(layer: int) -> str:
    """Returns the name of a recurrent layer, counted from 0 at the bottom."""
    return f"recurrent_{layer}"


def build_model(settings: LanguageModelSettings, vocabulary_size: int) -> keras.Model:
    """Returns the untrained model.

    Args:
      settings: What to build.
      vocabulary_size: Number of characters, index 0 (a character that training does not have) included.

    Returns:
      For `predict="last"` from tokens int32 [batch, window] to logits [batch, vocabulary]. For `predict="every"` from
      tokens int32 [batch, length] and the states before them (two of [batch, units] for each LSTM layer, one for each GRU
      layer) to logits [batch, length, vocabulary] and the states after them.
    """
    every = settings.predict == "every"
    tokens = keras.Input([None], dtype="int32", name="tokens")
    inputs = _input_layer(settings, vocabulary_size)
    hidden = inputs(tokens)  # (batch, length, features)
    hidden = _dropout(settings.input_dropout, over_time=True)(hidden)
    before: list[keras.KerasTensor] = []
    after: list[keras.KerasTensor] = []
    for index in range(settings.layers):
        layer = _recurrent_layer(settings, index, return_sequences=every or index < settings.layers - 1)
        states = [keras.Input([settings.units], name=f"state_{index}_{n}") for n in range(_states(settings))]
        hidden, *new = layer(hidden, initial_state=states if every else None)
        before, after = [*before, *states], [*after, *new]
        hidden = _dropout(settings.output_dropout)(hidden)
    logits = _output_layer(settings, inputs, vocabulary_size)(hidden)
    if every:
        return keras.Model([tokens, *before], [logits, *after], name="language_model")
    return keras.Model(tokens, logits, name="language_model")


@keras.saving.register_keras_serializable("charseq")
class CarriedState(keras.Model):  # type: ignore[misc]
    """Trains a `predict="every"` model on consecutive segments: the state after one is the state before the next.

    Called on tokens int32 [batch, length] it starts from nothing, as for validation; called on the tuple of tokens and
    `kept`, float [batch, 1], it goes on from where the call before ended, times `kept` (0 where a stream begins).
    """

    def __init__(self, core: keras.Model, batch_size: int, carry: bool):
        super().__init__(name=core.name)
        self.core = core
        widths = [tensor.shape[-1] for tensor in core.inputs[1:]]
        self._widths = widths
        self._carried = [
            self.add_weight(shape=(batch_size, width), initializer="zeros", trainable=False, name=f"carried_{index}")
            for index, width in enumerate(widths if carry else [])
        ]

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns the logits [batch, length, vocabulary]."""
        if not isinstance(inputs, (tuple, list)):
            nothing = [tf.zeros([tf.shape(inputs)[0], width], self.compute_dtype) for width in self._widths]
            return self.core([inputs, *nothing], training=training)[0]
        tokens, kept = inputs
        states = [tf.cast(state, kept.dtype) * kept for state in self._carried]
        logits, *after = self.core([tokens, *states], training=training)
        for variable, state in zip(self._carried, after, strict=True):
            variable.assign(tf.cast(state, variable.dtype))
        return logits


@keras.saving.register_keras_serializable("charseq")
class TiedLogits(layers.Layer):  # type: ignore[misc]
    """Logits by the table of the inputs' vectors: float [..., embedding] to float32 [..., vocabulary]."""

    def __init__(self, embedding: layers.Embedding, **kwargs: Any):
        super().__init__(**kwargs)
        self.embedding = embedding

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=(self.embedding.input_dim,), initializer="zeros", name="bias")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = tf.transpose(tf.cast(self.embedding.embeddings, inputs.dtype))
        return tf.tensordot(inputs, kernel, 1) + tf.cast(self.bias, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "embedding": keras.saving.serialize_keras_object(self.embedding)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TiedLogits":
        return cls(keras.saving.deserialize_keras_object(config.pop("embedding")), **config)


def _states(settings: LanguageModelSettings) -> int:
    return 2 if settings.cell == "lstm" else 1


def _input_layer(settings: LanguageModelSettings, vocabulary_size: int) -> keras.Layer:
    if settings.inputs == "embedding":
        # Of the size that one-hot vectors have: from Keras's 0.05 the first epoch would be spent on growing.
        unit = keras.initializers.RandomNormal(stddev=1.0)
        return layers.Embedding(vocabulary_size, settings.embedding, unit, name=INPUTS)
    if settings.inputs == "one_hot":
        return OneHot(vocabulary_size, name=INPUTS)
    return Scaled(vocabulary_size, name=INPUTS)


def _recurrent_layer(settings: LanguageModelSettings, index: int, return_sequences: bool) -> keras.Layer:
    options: dict[str, Any] = {
        "return_sequences": return_sequences,
        "return_state": True,
        "name": recurrent_name(index),
    }
    if settings.inputs == "embedding":
        # By what goes in alone: Glorot's counts the four gates as well, and halves the gates' first inputs.
        options["kernel_initializer"] = "lecun_normal"
    if settings.cell == "lstm":
        one_hot = settings.inputs == "one_hot" and not index and not settings.input_dropout
        return FusedLSTM(settings.units, settings.weight_dropout, one_hot, **options)
    return layers.GRU(settings.units, **options)


def _output_layer(settings: LanguageModelSettings, inputs: keras.Layer, vocabulary_size: int) -> keras.Layer:
    if settings.tie_weights:
        return TiedLogits(inputs, name=OUTPUT_LAYER, dtype="float32")
    # The softmax is in the loss and in the decoding, where it is computed stably.
    return layers.Dense(vocabulary_size, name=OUTPUT_LAYER, dtype="float32")


def _dropout(rate: float, over_time: bool = False) -> keras.Layer:
    """Returns a layer of dropout, of the same features at all times if `over_time` is set."""
    if not rate:
        return layers.Identity()
    return Dropout(rate, noise_shape=(None, 1, None) if over_time else None)


@keras.saving.register_keras_serializable("charseq")
class OneHot(layers.Layer):  # type: ignore[misc]
    """Indices as one-hot vectors: int [batch, length] to float [batch, length, vocabulary].

    Not Keras's CategoryEncoding, which drops a length of 1.
    """

    def __init__(self, vocabulary_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(inputs, self.vocabulary_size, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size}


@keras.saving.register_keras_serializable("charseq")
class Scaled(layers.Layer):  # type: ignore[misc]
    """Indices as one number from 0 to below 1 each: int [batch, length] to float [batch, length, 1]."""

    def __init__(self, vocabulary_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(inputs, self.compute_dtype)[..., tf.newaxis] / self.vocabulary_size

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size}
