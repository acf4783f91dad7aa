"""The seq2seq models: each from indices of characters to logits of the answer's characters.

Every builder returns a keras.Model from int32 [batch, input_length] to float32 [batch, output_length, vocabulary]. Index 0 is
padding, on the left of both.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from components.trainer.fixed_length.settings import AttentionSettings, RecurrentSettings
from components.trainer.layers.fused_lstm import FusedLSTM

# Width of an attention head.
_HEAD_UNITS = 16

StringSettings = RecurrentSettings | AttentionSettings

Builder = Callable[[Any, int, int, int], keras.Model]


def build_model(settings: StringSettings, input_length: int, output_length: int, vocabulary_size: int) -> keras.Model:
    """Returns the untrained model that `settings.architecture` names."""
    return _BUILDERS[settings.architecture](settings, input_length, output_length, vocabulary_size)


def build_simple_rnn(
    settings: RecurrentSettings, input_length: int, output_length: int, vocabulary_size: int
) -> keras.Model:
    """Reference 1: SimpleRNN encoder, RepeatVector, SimpleRNN decoder, TimeDistributed Dense softmax on one-hot input."""

    def recurrent(return_sequences: bool) -> keras.Layer:
        return layers.SimpleRNN(settings.units, return_sequences=return_sequences, unroll=True)

    return _encoder_decoder("simple_rnn", recurrent, input_length, output_length, vocabulary_size)


def build_lstm(settings: RecurrentSettings, input_length: int, output_length: int, vocabulary_size: int) -> keras.Model:
    """Reference 2: LSTM (GlorotNormal recurrent initializer), RepeatVector, LSTM, TimeDistributed Dense softmax."""

    def recurrent(return_sequences: bool) -> keras.Layer:
        return FusedLSTM(
            settings.units,
            one_hot=not return_sequences,
            repeated=return_sequences,
            recurrent_initializer=keras.initializers.GlorotNormal(),
            return_sequences=return_sequences,
            unroll=True,
        )

    return _encoder_decoder("lstm", recurrent, input_length, output_length, vocabulary_size)


def build_attention(
    settings: AttentionSettings, input_length: int, output_length: int, vocabulary_size: int
) -> keras.Model:
    """Ours: where to look is computed from the whole string, what is read there is the character alone.

    Reading bare characters is what lets `7+5` teach `27+15`: the meaning of a place in the string (last digit before the
    plus, say) is in the keys, and the rest of the model never sees it.
    """
    tokens = keras.Input([input_length], dtype="int32", name="tokens")
    characters = layers.Embedding(vocabulary_size, settings.embedding, name="characters")(tokens)
    # Keys: what each place means depends on the whole string.
    layout = layers.Dense(settings.units, activation="relu", name="layout")(
        layers.Flatten()(characters)
    )  # (batch, units)
    keys = layers.Dense(input_length * settings.units // 2, name="keys")(layout)
    keys = layers.Reshape([input_length, settings.units // 2])(keys)  # (batch, input_length, units / 2)
    # Queries: a learned vector for each place of the answer, the last character first.
    queries = Queries(output_length, settings.units, name="queries")(tokens)  # (batch, output_length, units)
    attention = layers.MultiHeadAttention(settings.heads, _HEAD_UNITS, name="attention")
    read = attention(queries, value=characters, key=keys)  # (batch, output_length, units)
    # The same two layers at every place; a GRU from the last place to the first was no better and failed on some seeds.
    hidden = layers.Dense(settings.units, activation="gelu")(read)
    hidden = layers.Dense(settings.units, activation="gelu")(hidden)
    logits = layers.Dense(vocabulary_size, dtype="float32", name="last_first")(hidden)
    return keras.Model(tokens, Reverse(name="logits", dtype="float32")(logits), name="attention")


@keras.saving.register_keras_serializable("charseq")
class Queries(layers.Layer):  # type: ignore[misc]
    """A learned vector for each place of the answer, the same for every example: [batch, ...] to [batch, length, units]."""

    def __init__(self, length: int, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.length, self.units = length, units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.vectors = self.add_weight(shape=(self.length, self.units), initializer="glorot_uniform", name="vectors")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.broadcast_to(self.vectors, (keras.ops.shape(inputs)[0], self.length, self.units))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length, "units": self.units}


@keras.saving.register_keras_serializable("charseq")
class Reverse(layers.Layer):  # type: ignore[misc]
    """Reverses the places of [batch, length, ...]."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.flip(inputs, axis=1)


def _encoder_decoder(
    name: str, recurrent: Callable[[bool], keras.Layer], input_length: int, output_length: int, vocabulary_size: int
) -> keras.Model:
    """The shape that both references share. Unrolling the few steps changes the speed, not the mathematics."""
    tokens = keras.Input([input_length], dtype="int32", name="tokens")
    hidden = layers.CategoryEncoding(vocabulary_size, output_mode="one_hot", name="one_hot")(tokens)
    hidden = recurrent(False)(hidden)  # (batch, units)
    hidden = layers.RepeatVector(output_length)(hidden)  # (batch, output_length, units)
    hidden = recurrent(True)(hidden)
    # The softmax is in the loss and in the decoding, where it is computed stably.
    logits = layers.TimeDistributed(layers.Dense(vocabulary_size, dtype="float32"), name="logits", dtype="float32")(
        hidden
    )
    return keras.Model(tokens, logits, name=name)


_BUILDERS: dict[str, Builder] = {
    "simple_rnn": build_simple_rnn,
    "lstm": build_lstm,
    "attention": build_attention,
}
