"""The seq2seq models: each from indices of characters to logits of the answer's characters.

Every builder returns a keras.Model from int32 [batch, input_length] to float32 [batch, output_length, vocabulary]. Index 0 is
padding, on the left of both.
"""

from collections.abc import Callable

import keras
from keras import layers

from components.trainer.settings import Architecture, TrainSettings

Builder = Callable[[TrainSettings, int, int, int], keras.Model]


def build_model(settings: TrainSettings, input_length: int, output_length: int, vocabulary_size: int) -> keras.Model:
    """Returns the untrained model that `settings.architecture` names."""
    return _BUILDERS[settings.architecture](settings, input_length, output_length, vocabulary_size)


def build_simple_rnn(
    settings: TrainSettings, input_length: int, output_length: int, vocabulary_size: int
) -> keras.Model:
    """Reference 1: SimpleRNN encoder, RepeatVector, SimpleRNN decoder, TimeDistributed Dense softmax on one-hot input."""

    def recurrent(return_sequences: bool) -> keras.Layer:
        return layers.SimpleRNN(settings.units, return_sequences=return_sequences, unroll=True)

    return _encoder_decoder("simple_rnn", recurrent, input_length, output_length, vocabulary_size)


def build_lstm(settings: TrainSettings, input_length: int, output_length: int, vocabulary_size: int) -> keras.Model:
    """Reference 2: LSTM (GlorotNormal recurrent initializer), RepeatVector, LSTM, TimeDistributed Dense softmax."""

    def recurrent(return_sequences: bool) -> keras.Layer:
        return layers.LSTM(
            settings.units,
            recurrent_initializer=keras.initializers.GlorotNormal(),
            return_sequences=return_sequences,
            unroll=True,
        )

    return _encoder_decoder("lstm", recurrent, input_length, output_length, vocabulary_size)


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
    logits = layers.TimeDistributed(layers.Dense(vocabulary_size, dtype="float32"), name="logits")(hidden)
    return keras.Model(tokens, logits, name=name)


_BUILDERS: dict[Architecture, Builder] = {"simple_rnn": build_simple_rnn, "lstm": build_lstm}
