"""What differs between models that read a stream and models that read windows: to train, to validate, to read on."""

import abc
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.trainer.fitting import FitData
from components.trainer.language_model.decoding import CharacterModel
from components.trainer.language_model.settings import LanguageModelSettings
from components.trainer.language_model.token_text import TokenText

# Enough that a step never waits: making a batch takes a hundredth of a step's time.
PREFETCHED_ELEMENTS = 8

# A validation looks at no more: of a longer validation split at windows evenly spread over it.
VALIDATION_CHARACTERS = 1_000_000


class Approach(abc.ABC):
    """A way to train a language model and to run it character by character.

    Attributes:
      settings: How to train.
    """

    settings: LanguageModelSettings

    def of_data(self, vocabulary: Sequence[str], length: int) -> "Approach":
        """Returns what trains a model of a text.

        Args:
          vocabulary: Characters by index.
          length: Characters of the training split.
        """
        return self

    @abc.abstractmethod
    def build(self, vocabulary_size: int) -> keras.Model:
        """Returns the untrained model, as it is fitted.

        Args:
          vocabulary_size: Number of characters, index 0 (a character that training does not have) included.
        """

    def core(self, fitted: keras.Model) -> keras.Model:
        """Returns, of a model as it is fitted, the model that is kept."""
        return fitted

    @abc.abstractmethod
    def fit_data(self, train_text: TokenText, validation_text: TokenText) -> FitData:
        """Returns what the model is fitted to.

        Raises:
          ValueError: A side has too few characters.
        """

    @abc.abstractmethod
    def character_model(self, model: keras.Model, first: npt.NDArray[np.float64]) -> CharacterModel:
        """Returns a trained model as one that reads a character at a time.

        Args:
          model: What `core` returned.
          first: Probabilities of a text's first character, [vocabulary].
        """

    @property
    @abc.abstractmethod
    def seed_length(self) -> int:
        """Characters of the text from which a sample goes on."""


def without_tuning() -> tf.data.Options:
    """Returns options without autotuning: with it the data set's end waits for its tuning thread's sleep, up to 40 s."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def padded_batches(arrays: tuple[npt.NDArray[np.generic], ...], rows: int) -> tf.data.Dataset:
    """Returns arrays [N, ...] in batches of one shape, in order; what fills the last one up is zero, its weight too."""
    rows = min(rows, len(arrays[0]))
    missing = -len(arrays[0]) % rows
    padded = tuple(np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for array in arrays)
    return tf.data.Dataset.from_tensor_slices(padded).batch(rows, drop_remainder=True).cache()
