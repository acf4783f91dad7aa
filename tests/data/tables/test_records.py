"""Records: the same ones however the file is cut into chunks, and those that the grammar has."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.tables.text.records import Grammar, read_records

# Little of everything that a record's end can hang on.
PIECES = st.sampled_from([b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b"bc", b" ", b"\xc3\xa4"])
CONTENTS = st.lists(PIECES, max_size=40).map(b"".join)


def reference(data: bytes, grammar: Grammar) -> list[tuple[bytes, int, bool]]:
    """Returns text, line and badness of each record, one byte after the other."""
    records, position, line = [], 0, 1
    while position < len(data):
        end, is_bad = _end(data, position, grammar)
        if is_bad or end - position > grammar.longest:
            is_bad = True
            end = min((i for i in range(position, len(data)) if data[i] in b"\r\n"), default=len(data))
        text = data[position:end]
        records.append((b"" if is_bad else text, line, is_bad))
        line += text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1
        position = end + (2 if data[end : end + 2] == b"\r\n" else 1)
    return records


def _end(data: bytes, position: int, grammar: Grammar) -> tuple[int, bool]:
    at_field_start = True
    while position < len(data) and data[position] not in b"\r\n":
        if at_field_start and grammar.quotes and data[position] == ord('"'):
            position += 1
            while True:
                position = data.find(b'"', position)
                if position < 0:
                    return 0, True
                if data[position + 1 : position + 2] != b'"':
                    break
                position += 2
            position += 1
            if position < len(data) and data[position] not in b"\r\n" + grammar.delimiter:
                return 0, True
            at_field_start = False
            continue
        at_field_start = data[position : position + 1] == grammar.delimiter
        position += 1
    return position, False


def read(chunks, grammar):
    records = []
    for block in read_records(chunks, grammar):
        for index, line in enumerate(block.lines.tolist()):
            is_bad = index in block.bad
            records.append((b"" if is_bad else block.record(index), line, is_bad))
    return records


@example(data=b'a\n"b\nc', sizes=[1], quotes=True, longest=100)
@example(data=b'"a"\r\n', sizes=[4], quotes=True, longest=100)
@example(data=b"aaaaaa\r\nb", sizes=[7], quotes=False, longest=2)
@given(
    data=CONTENTS,
    sizes=st.lists(st.integers(1, 9), min_size=1),
    quotes=st.booleans(),
    longest=st.sampled_from([2, 5, 100]),
)
def test_records_are_those_of_the_grammar_however_they_are_cut(data, sizes, quotes, longest):
    grammar = Grammar(b",", quotes, longest)
    chunks, position = [], 0
    while position < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(data[position : position + size])
        position += size
    expected = reference(data, grammar)
    assert read(chunks, grammar) == expected
    assert read([data], grammar) == expected


def test_offsets_are_where_the_next_record_begins():
    data = b'a,"b\nc"\r\nd,e\rf,g\nh'
    blocks = list(read_records([data[:5], data[5:12], data[12:]], Grammar(b",", True)))
    for block in blocks:
        assert read([data[block.stop :]], Grammar(b",", True)) == [
            (text, line - block.next_line + 1, bad)
            for text, line, bad in reference(data, Grammar(b",", True))
            if line >= block.next_line
        ]
    assert blocks[-1].next_line == 6


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'a,"b"c\n', "column 2 there is text behind the closing quote"),
        (b'"a\nb\n', "not closed"),
        (b"x" * 200 + b"\n", "longer than 100 bytes"),
        (b'"' + b"x\n" * 100 + b'"\n', "not closed"),
        (b'"x\n",' + b"x" * 100 + b"\n", "too long"),
    ],
)
def test_a_bad_record_says_why(data, said):
    first = next(iter(read_records([data], Grammar(b",", True, 100))))
    assert said in first.bad[0]
