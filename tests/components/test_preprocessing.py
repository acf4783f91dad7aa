"""The Transform graph: vocabulary, indices, padding."""

import pytest
import tensorflow as tf

from components.transform.preprocessing import code_points, read_vocabulary

pytestmark = pytest.mark.model


def test_the_vocabulary_is_padding_and_every_character_of_the_training_split(transform_output):
    vocabulary = read_vocabulary(transform_output)
    assert vocabulary[0] == ""
    assert sorted(vocabulary[1:]) == sorted("0123456789+")


def test_strings_are_padded_on_the_left(transform_output, sums_arrays):
    vocabulary = read_vocabulary(transform_output)
    assert sums_arrays.tokens.shape == (100, 3)
    assert sums_arrays.targets.shape == (100, 2)
    assert [vocabulary[i] for i in sums_arrays.tokens[12]] == ["1", "+", "2"]
    assert [vocabulary[i] for i in sums_arrays.targets[12]] == ["", "3"]


def test_unknown_characters_and_what_is_too_long_have_index_0_or_are_cut_in_front(transform_output):
    layer = transform_output.transform_features_layer()
    tokens = layer({"expression": tf.constant([["x+1"], ["1"], ["12+34"]])})["tokens"].numpy()
    assert (tokens[0] == 0).tolist() == [True, False, False]
    assert (tokens[1] == 0).tolist() == [True, True, False]
    assert (tokens[2] != 0).all()


def test_code_points_are_those_of_unicode():
    assert code_points(tf.constant(["aé🐱", ""])).to_list() == [[0x61, 0xE9, 0x1F431], []]
    assert code_points(tf.constant([b"a\xff"])).to_list() == [[0x61, 0xFFFD]]
