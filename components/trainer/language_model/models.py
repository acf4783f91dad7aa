"""The language models: from indices of characters to logits of the next one.

The layers have names, by which `decoding` finds them again to run the model a character at a time.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from components.trainer.fitting import OUTPUT_LAYER
from components.trainer.language_model.ngram_vectors import NgramVectors
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.layers.dropout import Dropout
from components.trainer.layers.fused_lstm import FusedLSTM

INPUTS = "inputs"
NGRAMS = "ngrams"


def recurrent_name(layer: int) -> str:
    """Returns the name of a recurrent layer, counted from 0 at the bottom."""
    return f"recurrent_{layer}"


class Layers:
    """The layers of a language model, from indices of characters to logits of the next one."""

    def __init__(self, settings: LanguageModelSettings, vocabulary_size: int):
        """Makes the layers.

        Args:
          settings: What to build.
          vocabulary_size: Number of characters, index 0 included.
        """
        self._settings, self._vocabulary_size = settings, vocabulary_size
        self._inputs = _input_layer(settings, vocabulary_size)
        # The parts of one recurrent layer's state.
        self.states = 2 if settings.cell == "lstm" else 1

    def ngrams(
        self, tokens: keras.KerasTensor, history: keras.KerasTensor, longest: int, rate: float, points: Sequence[int]
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Returns the n-grams' vectors and the history after the text; for the arguments see NgramVectors."""
        layer = NgramVectors(self._settings.embedding, longest, rate, points, name=NGRAMS)
        return layer(tokens, history)  # type: ignore[no-any-return]

    def read(
        self,
        tokens: keras.KerasTensor,
        every: bool,
        states: list[keras.KerasTensor] | None = None,
        ngrams: keras.KerasTensor | None = None,
    ) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
        """Returns the logits and the states after the text.

        Args:
          tokens: int32 [batch, length].
          every: Whether there are logits after every character, [batch, length, vocabulary], and not only after the last.
          states: The states before the text, each [batch, units], `self.states` for each layer; None to start from nothing.
          ngrams: Added to the characters' vectors, [batch, length, embedding].
        """
        settings = self._settings
        hidden = self._inputs(tokens)  # (batch, length, features)
        if ngrams is not None:
            hidden = layers.Add()([hidden, ngrams])
        hidden = _dropout(settings.input_dropout, over_time=True)(hidden)
        after: list[keras.KerasTensor] = []
        for index in range(settings.layers):
            layer = _recurrent_layer(settings, index, return_sequences=every or index < settings.layers - 1)
            own = states[len(after) : len(after) + self.states] if states else None
            hidden, *new = layer(hidden, initial_state=own)
            after += new
            hidden = _dropout(settings.output_dropout)(hidden)
        return _output_layer(settings, self._inputs, self._vocabulary_size)(hidden), after


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


def _input_layer(settings: LanguageModelSettings, vocabulary_size: int) -> keras.Layer:
    if settings.inputs == "embedding":
        # As large as one-hot vectors: if they began at Keras's 0.05, the first epoch would be spent on growing.
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
