"""Character indexing of text windows: the vocabulary by analysis of the training split, then the indices of each window.

Index 0 is a character that the training split does not have; the characters follow, the most frequent first. There is no
padding: windows are as long as they are.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.transform.preprocessing import TOKENS, code_points, write_vocabulary

CONTEXT = "context"
TEXT = "text"
POSITION = "position"
SCORED = "scored"


def preprocessing_fn(inputs: Mapping[str, Any]) -> dict[str, tf.Tensor | tf.RaggedTensor]:
    """Indexes the characters of windows.

    Args:
      inputs: `context` and `text`, string [N, 1], and `position`, int64 [N, 1].

    Returns:
      `tokens`, ragged int64 [N, characters of context and text]; `scored`, int64 [N], how many of a window's tokens, the
      last ones, are those of `text`; `position`, int64 [N], as it was.
    """
    contexts, texts = (code_points(tf.squeeze(inputs[name], axis=1)) for name in (CONTEXT, TEXT))
    characters = tf.concat([contexts, texts], axis=1)
    vocabulary = write_vocabulary(characters.flat_values)
    return {
        TOKENS: tft.apply_vocabulary(characters, vocabulary, default_value=-1) + 1,
        SCORED: texts.row_lengths(),
        POSITION: tf.squeeze(inputs[POSITION], axis=1),
    }
