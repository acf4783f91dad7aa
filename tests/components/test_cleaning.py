"""Cleaning in a graph: what Python makes of the same text, for any text."""

import dataclasses
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.cleaning.cleaner import Cleaner
from components.cleaning.names import CharacterNames
from components.cleaning.settings import NO_CLEANING, Cleaning
from data.files import DataFile
from data.reading import read_text
from tests.components.session import Session

pytestmark = pytest.mark.model

EVERY = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]

# Characters that cleaning changes, moves or looks across, which random text seldom has side by side.
LOWERED = [c for c in EVERY if c.lower() != c]
ACTIVE = [
    c for c in EVERY if unicodedata.combining(c) or unicodedata.normalize("NFD", c) != c or "\u1100" <= c < "\u1200"
]
CHARACTERS = (
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from(ACTIVE)
    | st.sampled_from(LOWERED)
    | st.sampled_from("aeuοΣσς\r\n\ufeff\ufffd .'\u00ad\u0301\u0323\u0307\u0345İIi\x00")
    | st.sampled_from(
        [*map(chr, range(0x1100, 0x1113)), *map(chr, range(0x1160, 0x1177)), *map(chr, range(0x11A7, 0x11C4))]
    )
)
TEXTS = st.lists(CHARACTERS, max_size=12).map("".join)

STEPS = [
    Cleaning(nfc=True),
    Cleaning(lowercase=True),
    Cleaning(lowercase=True, nfc=True),
    Cleaning(byte_order_mark=True, line_ends=True, nfc=True),
    Cleaning(byte_order_mark=True, line_ends=True, lowercase=True, nfc=True),
]


def expected(cleaning, text):
    if cleaning.byte_order_mark:
        text = text.removeprefix("\ufeff")
    if cleaning.line_ends:
        text = text.replace("\r\n", "\n")
    if cleaning.lowercase:
        text = text.lower()
    return unicodedata.normalize("NFC", text) if cleaning.nfc else text


@pytest.fixture(scope="module")
def clean():
    """Cleans texts in a graph."""
    graphs = {}

    def run(cleaning, texts):
        if cleaning not in graphs:
            graphs[cleaning] = tf.function(
                Cleaner(cleaning), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
            )
        encoded = [text.encode() if isinstance(text, str) else text for text in texts]
        return graphs[cleaning](tf.constant(encoded, tf.string, [len(encoded)])).numpy().tolist()

    return run


@pytest.mark.parametrize("cleaning", STEPS[:2], ids=Cleaning.describe)
def test_every_character_that_cleaning_changes_is_cleaned_as_python_does(clean, cleaning):
    texts = [*LOWERED, *ACTIVE, *(unicodedata.normalize("NFD", character) for character in ACTIVE), *EVERY[::37]]
    cleaned = clean(cleaning, texts)
    wrong = [t for t, c in zip(texts, cleaned, strict=True) if expected(cleaning, t).encode() != c]
    assert not wrong


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS, max_size=20), cleaning=st.sampled_from(STEPS))
def test_any_text_is_cleaned_as_python_does(clean, texts, cleaning):
    cleaned = [text.decode() for text in clean(cleaning, texts)]
    assert cleaned == [expected(cleaning, text) for text in texts]


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, nfc=st.booleans(), lowercase=st.booleans())
@example(text="\ufeff\ufeffΑΣ\r\r\n", nfc=True, lowercase=True)
def test_a_prompt_gets_what_training_text_gets(clean, tmp_path_factory, text, nfc, lowercase):
    path = tmp_path_factory.mktemp("text") / "t"
    path.write_bytes(text.encode())
    read = "".join(read_text(DataFile("t", str(path)), nfc=nfc, lowercase=lowercase))
    cleaning = Cleaning(byte_order_mark=True, line_ends=True, nfc=nfc, lowercase=lowercase)
    assert clean(cleaning, [text]) == [read.encode()]


@pytest.mark.parametrize(
    ("text", "composed"),
    [
        ("Tie\u0302\u0301ng Vie\u0323\u0302t", "Tiếng Việt"),
        ("Tie\u0301\u0302ng", "Ti\u00e9\u0302ng"),  # in the wrong order: the acute composes, the circumflex is blocked
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),
        ("\ud55c\u1100\uac00\u11a8", "한\u1100각"),
        ("\u05e9\u05bc\u05c1\u05b8", "\u05e9\u05b8\u05bc\u05c1"),  # Hebrew: marks in the order of their classes
        ("\ufb2c", "\u05e9\u05bc\u05c1"),  # excluded from composition
        ("\u0627\u0653\u0628\u0651\u064e", "\u0622\u0628\u064e\u0651"),  # Arabic
        ("\u0928\u093c\u0958", "\u0929\u0915\u093c"),  # Devanagari: one composes, the other is excluded
        ("\u212b\u2126\u212a", "\u00c5\u03a9K"),  # singletons
        ("\u09c7\u09be\u09c7\u09d7", "\u09cb\u09cc"),  # what is taken is no mark
        ("\u0344\u0301a", "\u0308\u0301\u0301a"),  # no starter before it
        ("a" + "\u0300" * 500 + "\u0323" * 500, "\u1ea1" + "\u0323" * 499 + "\u0300" * 500),
    ],
)
def test_scripts(clean, text, composed):
    assert unicodedata.normalize("NFC", text) == composed
    assert clean(Cleaning(nfc=True), ["plain", text, ""]) == [b"plain", composed.encode(), b""]


def test_lower_case_looks_at_the_neighbours_of_a_sigma_in_its_own_string_only(clean):
    texts = ["ΟΔΟΣ", "ΣΑΣ", "Α", "Σ", "Σ", "Α.Σ\u0301 Α", "Α\u00adΣΑ", "İstanbul"]
    lowered = [text.decode() for text in clean(Cleaning(lowercase=True), texts)]
    assert lowered == ["οδος", "σας", "α", "σ", "σ", "α.ς\u0301 α", "α\u00adσα", "i\u0307stanbul"]


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=12) | TEXTS.map(str.encode), cleaning=st.sampled_from(STEPS))
@example(text=b"e\xcc\x81\xff", cleaning=STEPS[-1])
@example(text=b"\xed\xa0\x80\xc3\x89", cleaning=STEPS[-1])
@example(text=b"\xc3\x89\xc0\x80", cleaning=STEPS[-1])
def test_what_is_not_utf_8_stays_so(clean, text, cleaning):
    def readable(content):
        try:
            content.decode()
        except UnicodeDecodeError:
            return False
        return True

    (cleaned, beside) = clean(cleaning, [text, "e\u0301"])
    assert readable(cleaned) == readable(text)
    assert beside.decode() == expected(cleaning, "e\u0301")


def test_a_saved_model_cleans_in_a_session(tmp_path):
    module = tf.Module()
    module.cleaner = Cleaner(STEPS[-1])
    signature = tf.function(
        lambda text: {"text": module.cleaner(text)}, input_signature=[tf.TensorSpec([None], tf.string, "text")]
    )
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": signature})
    served = Session(str(tmp_path))
    texts = ["\ufeffÉté\r\n", "E\u0301te\u0301", "ΟΔΟΣ", "plain"]
    answers = served("serving_default", text=texts)["text"]
    assert [text.decode() for text in answers] == [expected(STEPS[-1], text) for text in texts]
    assert served("serving_default", text=np.array([], object))["text"].tolist() == []
    ops = {node.op for node in served._session.graph.as_graph_def().node}
    assert not {"PyFunc", "EagerPyFunc"} & ops


def test_the_words_for_a_cleaning_name_each_step():
    assert NO_CLEANING.describe() == ""
    for field in dataclasses.fields(Cleaning):
        assert Cleaning(**{field.name: True}).describe()


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("é", "`é` (U+00E9)"),
        ("🐀", "`🐀` (U+1F400)"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        (" ", "U+0020 SPACE"),
        ("\u00a0", "U+00A0 NO-BREAK SPACE"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u0301", "U+0301 COMBINING ACUTE ACCENT"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\ufffd", "U+FFFD REPLACEMENT CHARACTER"),
        ("\x00", "U+0000 NULL"),
        ("\r", "U+000D CARRIAGE RETURN"),
        ("\x7f", "U+007F DELETE"),
        ("\x9f", "U+009F (control character)"),
        ("\ue000", "U+E000 (private use)"),
        ("\U0010ffff", "U+10FFFF (unassigned)"),
        ("\U000e0001", "U+E0001 LANGUAGE TAG"),
        ("\U0001e8d0", "U+1E8D0 (combining mark)"),
    ],
)
def test_a_character_that_nobody_could_see_is_called_by_its_name(character, name):
    names = tf.function(CharacterNames(), input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    assert names([ord(character)]).numpy().decode() == name


@pytest.mark.parametrize(
    ("token", "name"),
    [
        ("ts", "`ts` (U+0074, U+0073)"),
        ("a\u200b\N{PILE OF POO}", "`a\u200b\N{PILE OF POO}` (U+0061, U+200B ZERO WIDTH SPACE, U+1F4A9)"),
        (
            "\U00100000" * 21,
            "`" + "\U00100000" * 20 + "…` (" + "U+100000 (private use), " * 19 + "U+100000 (private use)…)",
        ),
    ],
)
def test_a_token_is_called_by_all_its_characters(token, name):
    points = tf.constant([ord(character) for character in token])
    assert CharacterNames()(points).numpy().decode() == name


def test_the_names_of_control_characters_are_unicodes():
    names = CharacterNames()
    for point in [*range(0x20), 0x7F, 0x85]:
        name = names(tf.constant([point])).numpy().decode().partition(" ")[2]
        assert unicodedata.lookup(name) == chr(point)
