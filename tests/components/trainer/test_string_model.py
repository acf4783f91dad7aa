"""What a served model says of strings that it cannot read. The functions are those of its graph, run eagerly."""

import pytest
import tensorflow as tf

from components.cleaning.cleaner import Cleaner
from components.cleaning.names import CharacterNames
from components.cleaning.settings import Cleaning
from components.trainer.string_model import Reading, StringModel, graph_function, unreadable

pytestmark = pytest.mark.model

DIGITS = Reading([*"0123456789", "", "+"], 5)
TOKENS = Reading(["w", "a", "z o", '"', ""], 3, separator=" ")


class Refusing(StringModel):
    """A model without weights, and without the graph of Transform."""

    def __init__(self, cleaning=None):
        tf.Module.__init__(self)
        self.clean = Cleaner(cleaning or Cleaning(byte_order_mark=True, nfc=True))
        self._names = CharacterNames()


@pytest.fixture(scope="module")
def model():
    return Refusing()


def said(tensor):
    return tensor.numpy().decode()


def describe(model, text, unknown=(), reading=DIGITS, wrong_length=False):
    text = text if isinstance(text, bytes) else text.encode()
    unknown = tf.constant(list(unknown) or [False])
    where = tf.constant("text[3]")
    return said(model.describe_string(where, tf.constant(text), unknown, tf.constant(wrong_length), reading))


def test_a_vocabulary_is_listed_in_order_without_what_is_no_token():
    assert DIGITS.list_known() == "`+0123456789`"
    assert TOKENS.list_known() == '`\\" a w z o`'
    assert Reading(["é", "\n"], 5).list_known() == "`\\né`"


@pytest.mark.parametrize(("count", "listed"), [(99, False), (100, True)])
def test_a_large_vocabulary_is_counted(count, listed):
    tokens = [chr(0x4E00 + index) for index in range(count)]
    assert (Reading(["", *tokens], 5).list_known() == f"{count} characters") == listed
    assert (Reading(["", *tokens], 5, " ").list_known() == f"{count} tokens") == listed


def test_units():
    assert (DIGITS.unit, TOKENS.unit) == ("character", "token")


def test_an_unknown_character_is_named_with_its_position_and_what_is_known(model):
    assert describe(model, "1x+2", [False, True, False, False]) == (
        "text[3]: character `x` (U+0078) at position 2 is unknown: this model knows `+0123456789`"
    )


def test_the_first_unknown_character_is_named(model):
    assert "character `é`" in describe(model, "éx", [True, True])
    assert "at position 1 " in describe(model, "éx", [True, True])


def test_an_unknown_token_is_named(model):
    found = describe(model, "w qq z", [False, True, False], TOKENS)
    assert found.startswith("text[3]: token ")
    assert "at position 2 is unknown: this model knows " in found
    assert found.endswith(TOKENS.list_known())


def test_a_character_of_several_bytes_counts_as_one(model):
    assert "at position 3 " in describe(model, "日本x", [False, False, True])


@pytest.mark.parametrize(
    ("text", "reading", "expected"),
    [
        ("", DIGITS, "text[3] is empty: send at least one character"),
        ("", TOKENS, "text[3] is empty: send at least one token"),
        ("123456", DIGITS, "text[3] has 6 characters: this model reads at most 5"),
        ("äöüäöü", DIGITS, "text[3] has 6 characters: this model reads at most 5"),
        ("w w w w", TOKENS, "text[3] has 4 tokens: this model reads at most 3"),
    ],
)
def test_a_string_of_a_wrong_length(model, text, reading, expected):
    assert describe(model, text, [True], reading, wrong_length=True) == expected


def test_the_length_comes_before_what_the_string_is_made_of(model):
    assert "this model reads at most 5" in describe(model, b"\xff" * 6, [True], wrong_length=True)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (b"ab\xffc", 3),
        (b"\xff", 1),
        ("é\N{REPLACEMENT CHARACTER}".encode() + b"\xc3", 3),  # the replacement that was sent is none
        (b"??\xed\xa0\x80", 3),
    ],
)
def test_what_is_not_utf_8_is_said_with_its_position(model, text, position):
    assert describe(model, text, [True]) == (f"text[3]: what stands at character {position} is not UTF-8: send UTF-8")


def test_which_strings_are_unreadable():
    texts = tf.constant([["", "é"], ["\N{REPLACEMENT CHARACTER}", b"\xff"], ["\0", b"a\xc3"]])
    assert unreadable(texts).numpy().tolist() == [[False, False], [False, True], [False, True]]


def test_a_place_says_which_row_and_whether_the_string_was_cleaned(model):
    sent = tf.constant(["a", "e\u0301"])
    cleaned = tf.constant(["a", "é"])
    assert said(model.place("text", tf.constant(0), sent, cleaned)) == "text[0]"
    assert said(model.place("target", tf.constant(1), sent, cleaned)) == (
        f"target[1] (after cleaning: {said(tf.constant(model.clean.description))})"
    )


def test_the_first_row_that_is_refused_is_described(model):
    def row(index):
        return tf.strings.join(["row ", tf.strings.as_string(index)])

    with pytest.raises(tf.errors.InvalidArgumentError, match="row 1"):
        model.refuse(tf.constant([False, True, True]), row)


def test_nothing_is_refused_without_a_reason(model):
    model.refuse(tf.constant([False, False]), lambda index: tf.constant("described"))
    model.refuse(tf.constant([], tf.bool), lambda index: tf.constant("described"))


def test_inputs_of_a_graph_have_names_and_a_first_dimension_of_any_size():
    class Module(tf.Module):
        @graph_function(text=tf.string, n=tf.TensorSpec([1], tf.int32))
        def ask(self, text, n):
            return {"text": tf.repeat(text, n[0])}

    asked = Module().ask.get_concrete_function()
    specs = {spec.name: spec for spec in tf.nest.flatten(asked.structured_input_signature)}
    assert specs["text"].shape.as_list() == [None]
    assert (specs["text"].dtype, specs["n"].dtype) == (tf.string, tf.int32)
    assert specs["n"].shape.as_list() == [1]
