"""A split's text as one array of tokens, put together from its windows."""

import dataclasses

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from components.files import match_all
from components.trainer.checkpoint import fingerprint
from components.transform.preprocessing import TOKENS
from components.transform.text import POSITION, SCORED

# Windows decoded at a time.
_READ_BATCH = 8_192


@dataclasses.dataclass(frozen=True)
class TokenText:
    """One split's characters, each once, whatever windows overlap.

    Attributes:
      tokens: Indices of the characters in the order of the corpus, [characters], of the smallest unsigned integer type that
        holds them.
      begins: Where each window begins, context included: index into `tokens`, int64 [windows], rising.
      starts: Where its characters to predict start, int64 [windows].
      ends: Where it ends, int64 [windows].
    """

    tokens: npt.NDArray[np.unsignedinteger]
    begins: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def fingerprint(self) -> str:
        """Returns a hash of the content."""
        return fingerprint(self.tokens, self.begins, self.starts, self.ends)


def read_token_text(patterns: list[str], transform_output: tft.TFTransformOutput, vocabulary_size: int) -> TokenText:
    """Reads transformed windows, in whatever order they lie.

    Args:
      patterns: Globs of gzipped TFRecord files.
      transform_output: Says how the examples are encoded.
      vocabulary_size: One more than the largest index.
    """
    paths = match_all(patterns)
    spec = transform_output.transformed_feature_spec()
    dtype = np.min_scalar_type(vocabulary_size - 1)

    def parse(records: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = tf.io.parse_example(records, spec)
        return {
            "tokens": tf.cast(batch[TOKENS].flat_values, dtype),
            "lengths": batch[TOKENS].row_lengths(),
            "scored": tf.reshape(batch[SCORED], [-1]),
            "position": tf.reshape(batch[POSITION], [-1]),
        }

    records = tf.data.TFRecordDataset(paths, "GZIP").batch(_READ_BATCH)
    batches = list(records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).as_numpy_iterator())
    lengths, scored, positions = (
        np.concatenate([batch[name] for batch in batches]) for name in ("lengths", "scored", "position")
    )
    begins = _close_gaps(positions + scored - lengths, positions + scored)
    tokens = np.zeros((begins + lengths).max(), dtype)
    first = 0
    for batch in batches:
        count = len(batch["lengths"])
        within = np.arange(len(batch["tokens"])) - np.repeat(
            np.cumsum(batch["lengths"]) - batch["lengths"], batch["lengths"]
        )
        tokens[np.repeat(begins[first : first + count], batch["lengths"]) + within] = batch["tokens"]
        first += count
    order = np.argsort(begins, kind="stable")
    ends = begins + lengths
    return TokenText(tokens, begins[order], (ends - scored)[order], ends[order])


def _close_gaps(begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns begins moved down so that the gaps, where the corpus's other split is, are closed."""
    order = np.argsort(begins, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    before = np.concatenate([[0], reached[:-1]])
    gaps = np.cumsum(np.maximum(begins[order] - before, 0))
    moved = np.empty_like(begins)
    moved[order] = begins[order] - gaps
    return moved


def first_character_probabilities(text: TokenText, vocabulary: list[str]) -> npt.NDArray[np.float64]:
    """Returns how likely each character is to begin a text: float64 [vocabulary], none of them 0.

    A text begins where a paragraph of the corpus does (after an empty line); if it has none, where a line does; if it has one
    line, anywhere. Smoothed by the frequency of characters anywhere, with the weight of Witten and Bell (1991): as many
    occurrences as there are different beginnings.
    """
    occurrences = np.bincount(text.tokens, minlength=len(vocabulary)) + 1.0
    anywhere = occurrences / occurrences.sum()
    counts: npt.NDArray[np.float64] = np.zeros(len(vocabulary))
    if "\n" in vocabulary:
        newline = text.tokens == vocabulary.index("\n")
        after_empty_line = ~newline[2:] & newline[1:-1] & newline[:-2]
        after_line = ~newline[1:] & newline[:-1]
        begins = text.tokens[2:][after_empty_line] if after_empty_line.any() else text.tokens[1:][after_line]
        counts = np.bincount(begins, minlength=len(vocabulary)).astype(np.float64)
    kinds = max(np.count_nonzero(counts), 1)
    smoothed: npt.NDArray[np.float64] = (counts + kinds * anywhere) / (counts.sum() + kinds)
    return smoothed
