"""Characters put back together from the windows of text examples."""

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.files import list_files
from components.ngram.witten_bell import LONGEST_RUN, Characters
from components.transform.preprocessing import code_points
from components.transform.text import CONTEXT, POSITION, TEXT

# Windows decoded at a time; the longest that ExampleGen makes have 65,536 characters.
_BATCH = 512

_FEATURES = {
    CONTEXT: tf.io.FixedLenFeature([], tf.string),
    TEXT: tf.io.FixedLenFeature([], tf.string),
    POSITION: tf.io.FixedLenFeature([], tf.int64),
}


def read_characters(examples_uri: str, split: str, begins_without_context: bool) -> Iterator[Characters]:
    """Yields every character that the windows of a split have, once, in the order of the text.

    A run of characters ends where the windows leave a gap.

    Args:
      examples_uri: Folder of the Examples artifact.
      split: Name of the split.
      begins_without_context: Whether a window without context is the first of a file, so that a run ends before it. It is
        where windows have a context; where none has one, files that lie side by side are one run.

    Raises:
      ValueError: The windows are not in the order of the text.
    """
    paths = list_files(os.path.join(examples_uri, f"Split-{split}"))
    records = tf.data.TFRecordDataset(paths, "GZIP").batch(_BATCH)
    end, run = -1, 0
    for points, before, sizes, positions in records.map(_decode).as_numpy_iterator():
        starts, ends = positions - before, positions - before + sizes
        ended = np.concatenate([[end], ends[:-1]])
        if (ends <= ended).any():
            raise ValueError(
                f"the {split} examples in {examples_uri} are not in the order of the text; make them again"
            )
        # What a window shares with the one before it is left out.
        news = np.maximum(starts, ended)
        is_first = (starts > ended) | (begins_without_context & (before == 0))
        kept = ends - news
        rows = np.repeat(np.arange(len(kept)), kept)
        offsets = np.arange(len(rows)) - np.repeat(np.cumsum(kept) - kept, kept)
        index = (np.cumsum(sizes) - sizes + news - starts)[rows] + offsets
        runs = _count_runs(is_first[rows] & (offsets == 0), run)
        yield Characters(points[index].astype(np.uint32), runs)
        end, run = int(ends[-1]), int(runs[-1]) + 1


def _decode(records: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns code points of all windows, and of each window the size of its context, its size and its position."""
    parsed = tf.io.parse_example(records, _FEATURES)
    contexts, texts = code_points(parsed[CONTEXT]), code_points(parsed[TEXT])
    windows = tf.concat([contexts, texts], axis=1)
    return windows.flat_values, contexts.row_lengths(), windows.row_lengths(), parsed[POSITION]


def _count_runs(is_first: npt.NDArray[np.bool_], run: int) -> npt.NDArray[np.uint8]:
    """Returns how many characters before each one are of its run, at most LONGEST_RUN: uint8 [N].

    Args:
      is_first: Whether a run begins with the character, [N].
      run: How many characters of the first one's run are before it.
    """
    index = np.arange(len(is_first))
    begins = np.maximum.accumulate(np.where(is_first, index, -run))
    runs: npt.NDArray[np.uint8] = np.minimum(index - begins, LONGEST_RUN).astype(np.uint8)
    return runs
