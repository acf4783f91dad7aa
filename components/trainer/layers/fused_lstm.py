"""keras.layers.LSTM with a loop of our own on a CPU; sums are taken in another order, the mathematics is the same."""

from typing import Any

import keras
import tensorflow as tf

from components.trainer.layers.dropout import drop
from components.trainer.layers.lstm_steps import lstm_steps
from components.trainer.layers.rows import rows


@keras.saving.register_keras_serializable("charseq")
class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """keras.layers.LSTM with the same weights and results: float [batch, steps, features] to float [batch, steps, units].

    With `one_hot`, the features are one-hot vectors, and the product with one is a row of the kernel. With `repeated`, they are
    the same at all steps, as RepeatVector makes them, and one product is that of all. With `unroll`, for few steps, each has
    operations of its own.

    With `weight_dropout`, in training that share of the recurrent kernel is dropped, the same one at all steps of a call
    (DropConnect; Merity et al. 2017, "Regularizing and Optimizing LSTM Language Models").

    Where there is a GPU, or something is asked for that the loop here does not do (a mask, dropout within the cell, other
    activations), it is Keras's own loop, unless there is weight dropout, which Keras's loop lacks.
    """

    def __init__(
        self,
        units: int,
        weight_dropout: float = 0.0,
        one_hot: bool = False,
        repeated: bool = False,
        **kwargs: Any,
    ):
        # "auto" keeps Keras from compiling with XLA, and without a GPU for nothing.
        cudnn = tf.config.list_physical_devices("GPU") and not weight_dropout
        super().__init__(units, **{**kwargs, "use_cudnn": "auto" if cudnn else False})
        self.weight_dropout, self.one_hot, self.repeated = weight_dropout, one_hot, repeated
        self._seed_generator = keras.random.SeedGenerator()
        self._fresh = False

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer is made from."""
        own = {"weight_dropout": self.weight_dropout, "one_hot": self.one_hot, "repeated": self.repeated}
        return {**super().get_config(), **own}

    def call(
        self,
        sequences: tf.Tensor,
        initial_state: list[tf.Tensor] | None = None,
        mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Runs the layer; see keras.layers.LSTM."""
        self._fresh = initial_state is None and not self.stateful  # what inner_loop is not told
        return super().call(sequences, initial_state, mask, training)

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
        repeats = int(sequences.shape[1] or 0) if self.repeated else 0
        features = tf.transpose(sequences[:, :1] if repeats else sequences, [1, 0, 2])
        projected = (
            rows(_indices(features), kernel + bias) if self.one_hot else tf.tensordot(features, kernel, 1) + bias
        )  # (steps, or 1 if they are all the same, batch, 4 * units)
        outputs, output, state = lstm_steps(
            projected,
            recurrent_kernel,
            *initial_state,
            repeats=repeats,
            unroll=self.unroll,
            every=self.return_sequences,
            fresh=self._fresh,
        )
        return output, tf.transpose(outputs, [1, 0, 2]), [output, state]


def _indices(vectors: tf.Tensor) -> tf.Tensor:
    """Returns where one-hot vectors [..., rows] are 1, int32 [...]."""
    # XLA's argmax compares element by element, and sums floats one by one. This takes a sixth of the time.
    return tf.reduce_sum(tf.cast(vectors, tf.int32) * tf.range(tf.shape(vectors)[-1]), axis=-1)
