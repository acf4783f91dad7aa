"""Headers: found where there is one, and a row is not taken for one."""

import itertools

import pytest

from data.tables.options import Column
from data.tables.text.header import find_header

WORDS = ["".join(letters) for letters in itertools.product("abcde", repeat=3)]
PAIR = (Column("input", "", ("input", "expression")), Column("target", "", ("target", "answer", "output")))


def is_header(first, rows, wanted=PAIR):
    return find_header([first, *rows], wanted)[0]


@pytest.mark.parametrize(
    ("first", "rows"),
    [
        (("input", "target"), [(w, w) for w in WORDS]),
        (("Expression", "Answer"), [("1+1", "2")]),
        (("word", "ipa"), [("oiseau", "w a z o")]),
        (("en", "fr"), [("bird", "oiseau")]),
        (("sum", "result"), [("1+1", "2"), ("2+2", "4"), ("3+4", "7")]),
        (("month", "milk"), [("1962-01", "589"), ("1962-02", "561"), ("1962-03", "640")]),
        (("Eingabe", "Ausgabe"), [(w, w[::-1]) for w in WORDS]),
        (("word", "Aussprache"), [(w, w[::-1]) for w in WORDS]),
        (("", "input", "target", "more"), [("0", "a", "b", ""), ("1", "c", "d", "")]),
        (("source text", "target_text"), [("שלום" * 3, "םולש" * 3)] * 30),
    ],
)
def test_a_header_is_found(first, rows):
    assert is_header(first, rows)


@pytest.mark.parametrize(
    ("first", "rows"),
    [
        ((WORDS[0], WORDS[0][::-1]), [(w, w[::-1]) for w in WORDS[1:]]),
        (("word0", "x"), [(f"word{i}", "x") for i in range(1, 200)]),
        (("one", "1"), [("two", "2"), ("three", "3"), ("four", "4")]),
        (("input", "target", "x"), [("a", "target", "x"), ("b", "c", "y")]),
        (("1962-01", "589"), [("1962-02", "561"), ("1962-03", "640"), ("1962-04", "656")]),
        (("12+34", "46"), [(f"{i}+1", f"{i + 1}") for i in range(100)]),
        (("input", "target"), [("input", "output"), ("word", "mot")]),
        (("aab", "BAA"), [(w, w[::-1]) for w in WORDS if w != "aab"]),
        (("abc", "Zebra"), [(w, f"Word {chr(0x4E00 + i)}") for i, w in enumerate(WORDS)]),
        (("猫", "cat"), [("犬", "dog"), ("鳥", "bird")]),
        (("à", "A"), [(w, w) for w in WORDS]),
        (("'bout", "B AW T"), [(w, w) for w in WORDS]),
    ],
)
def test_a_row_is_not_taken_for_a_header(first, rows):
    found = find_header([first, *rows], PAIR)
    assert not found[0], found[1]


def test_a_stated_name_decides():
    named = (Column("input", "ab"), Column("target", "cd"))
    assert is_header(("ab", "cd", "ef"), [], named)
    assert not is_header(("ab", "input"), [("word", "target")], named)
    assert not is_header((), [], named)
