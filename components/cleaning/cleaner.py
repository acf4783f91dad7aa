"""The cleaning of training text in a graph, for what is asked of a model."""

import tensorflow as tf

from components.cleaning.lower import Lowerer
from components.cleaning.nfc import Composer
from components.cleaning.settings import Cleaning


class Cleaner(tf.Module):
    """Cleans strings.

    The ops are TensorFlow's own, so that any server runs them. A string that is clean costs one pass of a regular expression
    for each step.
    """

    def __init__(self, cleaning: Cleaning):
        """Makes what the cleaning needs.

        Args:
          cleaning: What to do.
        """
        super().__init__()
        self._cleaning = cleaning
        self._lower = Lowerer() if cleaning.lowercase else None
        self._compose = Composer() if cleaning.nfc else None

    @property
    def description(self) -> str:
        """What is done, in words."""
        return self._cleaning.describe()

    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        """Returns strings [N] cleaned. A string that is not UTF-8 stays one that is not."""
        if self._cleaning.byte_order_mark:
            text = tf.strings.regex_replace(text, "^\ufeff", "", replace_global=False)
        if self._cleaning.line_ends:
            text = tf.strings.regex_replace(text, "\r\n", "\n")
        if self._lower:
            text = self._lower(text)
        if self._compose:
            text = self._compose(text)
        return text
