"""The vectors of n-grams: the same ones wherever an n-gram stands, and whatever a text is cut into."""

import numpy as np
import pytest

from components.trainer.language_model.ngram_vectors import NgramVectors

pytestmark = pytest.mark.model

WIDTH = 6


@pytest.fixture
def layer():
    layer = NgramVectors(WIDTH, 3, 0.5)
    layer(np.zeros([1, 1], np.int32), np.zeros([1, 2], np.int32))
    return layer


def vectors(layer, text, history=(0, 0), **how):
    found, after = layer(np.array([text], np.int32), np.array([history], np.int32), **how)
    return found.numpy()[0], tuple(after.numpy()[0])


def test_equal_ends_have_equal_vectors_and_others_do_not(layer):
    found, _ = vectors(layer, [1, 2, 3, 9, 1, 2, 3, 8, 2, 3])
    np.testing.assert_array_equal(found[2], found[6])  # after 1, 2, 3
    for other in (1, 3, 9):  # 3 after 8, 2 is another trigram with the same bigram
        assert np.abs(found[2] - found[other]).min() > 0


def test_a_text_in_pieces_has_the_vectors_of_the_whole_text(layer):
    text = list(np.random.default_rng(3).integers(1, 90, 20))
    whole, end = vectors(layer, text)
    history, parts = (0, 0), []
    for begin, stop in ((0, 1), (1, 2), (2, 13), (13, 20)):
        part, history = vectors(layer, text[begin:stop], history)
        parts.append(part)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)
    assert history == end == tuple(text[-2:])


def test_training_leaves_out_whole_ngrams(layer):
    text = np.random.default_rng(3).integers(1, 90, 400)
    one = NgramVectors(WIDTH, 2, 0.25)
    plain, _ = vectors(one, text, (0,))
    dropped, _ = vectors(one, text, (0,), training=True)
    gone = (dropped == 0).all(axis=1)
    assert 0.15 < gone.mean() < 0.35
    np.testing.assert_allclose(dropped[~gone], plain[~gone] / 0.75, rtol=1e-5)


def test_an_ngram_has_its_vector_in_every_vocabulary(layer):
    one, other = (
        (NgramVectors(WIDTH, 3, 0.0, [ord(c) for c in vocabulary]), vocabulary) for vocabulary in ("\0abc", "\0xcab")
    )
    found = []
    for model, vocabulary in (one, other):
        model.build(None, None)
        model.set_weights(layer.get_weights())
        found.append(vectors(model, [vocabulary.index(character) for character in "abcab"])[0])
    np.testing.assert_array_equal(*found)


def test_few_ngrams_of_a_book_share_a_vector(layer):
    """Of 200 bigrams, as few share a vector as chance has it."""
    pairs = np.array([[a, b] for a in range(1, 33) for b in range(1, 33)])
    found = np.stack([vectors(layer, [b], (0, a))[0][0] for a, b in pairs[:200]])
    assert len(np.unique(found, axis=0)) >= 198
