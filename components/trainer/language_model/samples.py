"""Text written after every epoch, as reference 3 shows it."""

import json
import logging

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.files import write_file
from components.trainer.language_model.approach import Approach
from components.trainer.language_model.decoding import generate, read
from components.trainer.language_model.sampling import SamplingInputs
from components.trainer.language_model.token_text import TokenText

_LOG = logging.getLogger("charseq.trainer")

# Characters of a sample that a line of progress shows.
_SHOWN = 60


class SampleText(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes text at several temperatures after every epoch, from a seed text of the training split drawn for that epoch.

    The samples of all epochs lie in one JSON file: a list of objects with `epoch`, `temperature`, `seed_text` and `text`.
    """

    def __init__(
        self,
        approach: Approach,
        first: npt.NDArray[np.float64],
        text: TokenText,
        vocabulary: list[str],
        path: str,
    ):
        """Makes the callback.

        Args:
          approach: Its settings say at which temperatures, and how long.
          first: Probabilities of a text's first character, [vocabulary].
          text: Where the seed text comes from.
          vocabulary: Characters by index.
          path: The JSON file.
        """
        super().__init__()
        self._approach, self._settings, self._first = approach, approach.settings, first
        self._text, self._vocabulary, self._path = text, vocabulary, path
        self._seed_length = approach.seed_length
        self._barred = tf.constant([-np.inf] + [0.0] * (len(vocabulary) - 1), tf.float32)
        self._samples: list[dict[str, object]] = []

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._characters = self._approach.character_model(self._approach.core(self.model), self._first)
        self._write = tf.function(self._generate, autograph=False)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        temperatures = self._settings.temperatures
        if not temperatures:
            return
        random = np.random.default_rng([self._settings.seed, epoch])
        start = int(random.integers(max(len(self._text.tokens) - self._seed_length, 1)))
        seed = self._text.tokens[start : start + self._seed_length].astype(np.int32)
        written = self._write(tf.constant(seed), tf.constant(epoch, tf.int64)).numpy()
        for temperature, tokens in zip(temperatures, written, strict=True):
            seed_text, text = ("".join(self._vocabulary[index] for index in part) for part in (seed, tokens))
            self._samples.append({"epoch": epoch + 1, "temperature": temperature, "seed_text": seed_text, "text": text})
            _LOG.info(
                "epoch %d, temperature %g: %s",
                epoch + 1,
                temperature,
                json.dumps(text[:_SHOWN], ensure_ascii=False)[1:-1],
            )
        write_file(self._path, json.dumps(self._samples, indent=1, ensure_ascii=False).encode())

    def _generate(self, seed: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        temperatures = tf.constant(self._settings.temperatures, tf.float32)
        rows = len(self._settings.temperatures)
        tokens = tf.repeat(seed[tf.newaxis], rows, axis=0)
        lengths = tf.fill([rows], tf.shape(seed)[0])
        _, state = read(self._characters, self._characters.initial_state(rows), tokens, lengths)
        inputs = SamplingInputs(temperatures, tf.zeros([rows], tf.int32), tf.ones([rows]), tf.fill([rows], epoch))
        drawn = tf.zeros([rows], tf.int64)
        sample_lengths = tf.fill([rows], self._settings.sample_length)
        written, _ = generate(self._characters, state, sample_lengths, inputs, drawn, self._barred)
        return written
