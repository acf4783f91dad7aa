"""A user's own pairs: what is read, what is refused, and that the refusal names file and line."""

import bz2
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen.pairs import PairsError, match_files, read_pairs
from components.example_gen.settings import PairsData
from components.settings import SettingsError


def read(path, **settings):
    batches = list(read_pairs(PairsData(str(path), **settings), str(path)))
    rows = [
        (e[0].decode(), a[0].decode())
        for batch, _ in batches
        for e, a in zip(batch["expression"].to_pylist(), batch["answer"].to_pylist(), strict=True)
    ]
    sides = [bool(side) for _, is_eval in batches for side in is_eval]
    return rows, sides


def test_tsv_with_bom_and_windows_line_ends(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"\xef\xbb\xbfone\teins\r\ntwo\tzwei\r\n")
    assert read(path)[0] == [("one", "eins"), ("two", "zwei")]


def test_jsonl_and_compressed_files(tmp_path):
    lines = "".join(json.dumps({"expression": e, "answer": a}) + "\n" for e, a in [("κατ", "🐱"), ("a\tb", "c")])
    for name, opener in (("p.jsonl", open), ("p.jsonl.gz", gzip.open), ("p.json.bz2", bz2.open)):
        with opener(tmp_path / name, "wb") as file:
            file.write(lines.encode())
        assert read(tmp_path / name)[0] == [("κατ", "🐱"), ("a\tb", "c")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.tsv", b"a\tb\nno tab\n", "line 2: 0 tabs in 'no tab'"),
        ("p.tsv", b"a\tb\tc\n", "line 1: 2 tabs"),
        ("p.tsv", b"a\tb\n\n", "line 2: 0 tabs"),
        ("p.tsv", b"a\t\n", "line 1: the answer is empty"),
        ("p.tsv", b"\tb\n", "line 1: the expression is empty"),
        ("p.tsv", b"a\tb\nc\t\xff\n", "line 2: byte 3 is not UTF-8"),
        ("p.tsv", b"a\tb\n" + b"x" * 33 + b"\ty\n", "line 2: the expression has 33 characters, more than 32"),
        ("p.tsv", b"x" * 2_000_000, "line 1: longer than"),
        ("p.jsonl", b'{"expression": "a", "answer": 1}\n', "line 1: .* no string under the key 'answer'"),
        ("p.jsonl", b'["a", "b"]\n', "line 1: .* is no JSON object"),
        ("p.jsonl", b'{"expression": "a"\n', "line 1: .* is not JSON"),
        ("p.jsonl", b'{"expression": "\\ud800", "answer": "b"}\n', "line 1: .* half a surrogate pair"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PairsError, match=f"{name}, {said}"):
        read(path)


def test_no_file_is_an_error_that_names_the_pattern(tmp_path):
    with pytest.raises(SettingsError, match=r"no file matches .*nothing-\*\.tsv"):
        match_files(str(tmp_path / "nothing-*.tsv"))


def test_a_missing_pattern_says_how_to_give_one():
    with pytest.raises(SettingsError, match="--set data.pattern="):
        PairsData()


def test_equal_expressions_are_on_one_side_in_any_file(tmp_path):
    first, second = tmp_path / "1.tsv", tmp_path / "2.tsv"
    first.write_text("".join(f"word{i}\tx\n" for i in range(200)))
    second.write_text("".join(f"word{i}\ty\n" for i in reversed(range(200))))
    sides = read(first, eval_fraction=0.5)[1]
    assert read(second, eval_fraction=0.5)[1] == sides[::-1]
    assert 60 < sum(sides) < 140


@given(
    pairs=st.lists(
        st.tuples(
            *[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"), min_size=1, max_size=9)]
            * 2
        )
    )
)
def test_any_pairs_of_strings_come_back_as_they_were(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("pairs") / "p.jsonl"
    path.write_text("".join(json.dumps({"expression": e, "answer": a}) + "\n" for e, a in pairs))
    assert read(path)[0] == pairs
