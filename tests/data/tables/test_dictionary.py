"""Pronunciation dictionaries in the format of CMU's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.corpora import find_tables
from data.errors import TableError
from data.tables.options import Column, TableOptions
from data.tables.reading import plan_parts, read_part, read_table
from data.tables.report import ReadReport
from data.tables.text.dictionary import split_entry

OLD = b""";;; # CMUdict -- Major Version: 0.07
!EXCLAMATION-POINT  EH2 K S K L AH0 M EY1 SH AH0 N P OY2 N T
TOMATO  T AH0 M EY1 T OW2
TOMATO(1)  T AH0 M AA1 T OW2
"""
NEW = b"""'bout B AW1 T\r
aalborg AO1 L B AO0 R G # place, danish\r
aalborg(2) AA1 L B AO0 R G\r
\r
# a comment\r
a.d. EY2\tD  IY1\r
"""


def rows(path, **options):
    report = ReadReport(options.get("on_error", "stop"))
    batches = read_table(find_tables([str(path)]).files, TableOptions(**options), report)
    return [tuple(row.values()) for batch in batches for row in batch.columns.to_pylist()], report


def test_another_pronunciation_is_another_row_of_the_same_word(tmp_path):
    (tmp_path / "old.dict").write_bytes(OLD)
    found, report = rows(tmp_path / "old.dict")
    assert found[1:] == [("TOMATO", "T AH0 M EY1 T OW2"), ("TOMATO", "T AH0 M AA1 T OW2")]
    assert found[0][0] == "!EXCLAMATION-POINT"
    assert (report.rows, report.empty_lines, report.skipped) == (3, 1, 0)


def test_comments_and_spaces_are_left_out(tmp_path):
    (tmp_path / "new.DICT").write_bytes(NEW)
    found, report = rows(tmp_path / "new.DICT")
    assert found == [
        ("'bout", "B AW1 T"),
        ("aalborg", "AO1 L B AO0 R G"),
        ("aalborg", "AA1 L B AO0 R G"),
        ("a.d.", "EY2 D IY1"),
    ]
    assert report.empty_lines == 2


def test_columns_have_names_and_positions(tmp_path):
    (tmp_path / "new.dict").write_bytes(NEW)
    for source in ("word", "1"):
        found, _ = rows(tmp_path / "new.dict", columns=(Column("x", source, setting="data.input"),))
        assert found == [("'bout",), ("aalborg",), ("aalborg",), ("a.d.",)]
    with pytest.raises(TableError, match="there is no column 'stress'"):
        rows(tmp_path / "new.dict", columns=(Column("x", "stress", setting="data.input"),))


@pytest.mark.parametrize(
    ("line", "said"), [(b"word\n", "'word' is no word with a pronunciation"), (b"caf\xe9 K AE\n", "is not utf-8")]
)
def test_a_line_that_is_no_entry_is_named(tmp_path, line, said):
    (tmp_path / "a.dict").write_bytes(NEW + line)
    with pytest.raises(TableError, match=f"a.dict, line 7: .*{said}"):
        rows(tmp_path / "a.dict")
    found, report = rows(tmp_path / "a.dict", on_error="skip")
    assert (len(found), report.skipped) == (4, 1)


def test_a_large_dictionary_is_read_in_parts(tmp_path):
    (tmp_path / "a.dict").write_bytes(NEW * 50)
    files, options = find_tables([str(tmp_path / "a.dict")]).files, TableOptions()
    parts = plan_parts(files, options, part_bytes=500)
    assert len(parts) > 3
    found = [
        row for part in parts for batch in read_part(part, options, ReadReport()) for row in batch.columns.to_pylist()
    ]
    assert [tuple(row.values()) for row in found] == rows(tmp_path / "a.dict")[0]


SYMBOLS = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="#;"), min_size=1)


@given(
    word=st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="#;()"), min_size=1),
    number=st.integers(1, 99),
    symbols=st.lists(SYMBOLS, min_size=1),
)
def test_any_word_comes_back_without_its_number(word, number, symbols):
    said = " ".join(symbols)
    assert split_entry(f"{word} {said}") == (word, said)
    assert split_entry(f"{word}({number})  {'  '.join(symbols)}  # {word}") == (word, said)
