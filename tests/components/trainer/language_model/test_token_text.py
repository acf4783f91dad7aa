"""A split's text is put together from its windows, whatever their order and overlap, and gaps are closed."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.language_model.token_text import first_character_probabilities, read_token_text

pytestmark = pytest.mark.model


class TransformOutput:
    """Says how the examples are encoded, as Transform's own does."""

    def transformed_feature_spec(self):
        return {
            "tokens": tf.io.RaggedFeature(tf.int64),
            "scored": tf.io.FixedLenFeature([], tf.int64),
            "position": tf.io.FixedLenFeature([], tf.int64),
        }


def write(folder, windows):
    """Writes windows: (position of the first predicted character, context, text)."""
    path = str(folder / "data-00000-of-00001.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for position, context, text in windows:
            features = {"tokens": [*context, *text], "scored": [len(text)], "position": [position]}
            example = tf.train.Example()
            for name, values in features.items():
                example.features.feature[name].int64_list.value.extend(values)
            writer.write(example.SerializeToString())
    return [path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("windows")


@given(
    parts=st.lists(st.tuples(st.integers(0, 30), st.integers(12, 60)), min_size=1, max_size=4),
    context=st.integers(0, 5),
    length=st.integers(1, 7),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_text_is_put_together_and_gaps_are_closed(folder, parts, context, length, seed):
    windows, expected, position = [], [], 0
    random = np.random.default_rng(seed)
    for gap, size in parts:
        position += gap  # where the other split's text is
        part = random.integers(0, 200, size).tolist()
        for start in range(0, size, length):
            before = part[max(start - context, 0) : start]
            windows.append((position + start, before, part[start : start + length]))
        expected += part
        position += size
    random.shuffle(windows)
    text = read_token_text(write(folder, windows), TransformOutput(), 200)
    assert text.tokens.tolist() == expected
    assert text.tokens.dtype == np.uint8
    assert sorted(text.begins) == text.begins.tolist()
    predicted = np.concatenate([np.arange(start, end) for start, end in zip(text.starts, text.ends, strict=True)])
    assert sorted(predicted) == list(range(len(expected)))


def test_texts_begin_as_paragraphs_do_and_no_character_is_impossible(folder):
    characters = "one\n\nto be\nor not\n\nto live\n\nall"
    vocabulary = ["", *sorted(set(characters)), "z"]
    tokens = [vocabulary.index(character) for character in characters]
    text = read_token_text(write(folder, [(0, [], tokens)]), TransformOutput(), len(vocabulary))
    first = dict(zip(vocabulary, first_character_probabilities(text, vocabulary), strict=True))
    assert sum(first.values()) == pytest.approx(1)
    assert min(first.values()) > 0
    assert first["t"] > first["a"] > first["o"] > first["z"]
