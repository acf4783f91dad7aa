"""A user's own pairs: what a pair is, what is refused with file and line, and on which side it is."""

import json
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen.component import PairsExampleGen
from components.example_gen.pairs import GroupCounts, find_pairs, plan_pairs, read_pairs, summarize
from components.example_gen.settings import PairsData
from components.settings import SettingsError, from_json, to_json
from data.errors import TableError
from data.tables.report import ReadReport


def read(path, report=None, **how):
    data = PairsData((str(path),), **how)
    report = report or ReadReport(data.on_error)
    parts = plan_pairs(data, find_pairs(data))
    return [
        tuple(row.values())
        for part in parts
        for batch in read_pairs(data, part.part, report)
        for row in batch.to_pylist()
    ]


def test_columns_by_name_are_the_features(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text('id,raw,clean\n0,"aé, ""b""",x\n1,c,d\n')
    assert read(path, input="raw", target="clean") == [('aé, "b"', "x"), ("c", "d")]
    assert read(path, input="3", target="2") == [("x", 'aé, "b"'), ("d", "c")]


def test_pairs_are_composed_unless_that_is_not_wanted(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("e\u0301\te\u0301\n")
    assert read(path) == [("é", "é")]
    assert read(path, nfc=False) == [("e\u0301", "e\u0301")]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"a\tb\nno tab\n", 2, "1 column"),
        (b"a\tb\nc\td\na\tb\tc\n", 3, "3 columns"),
        (b"a\tb\na\t\n", 2, "column target: the value is empty"),
        (b"a\tb\n\tb\n", 2, "column input: the value is empty"),
        (b"a\tb\n\tb\nc\t\n", 2, "column input: the value is empty"),
        (b"a\tb\nc\t\xff\n", 2, "byte 3"),
        (b"a\tb\n" + b"x" * 1_025 + b"\ty\n", 2, "1,025 characters, more than 1,024; raise data.longest"),
        (b"a\tb\ny\t" + b"x" * 1_025 + b"\n", 2, "1,025 characters, more than 1,024; raise data.longest"),
        (b"a\tb\n" + b"x" * 2_000_000 + b"\n", 2, "longer than 1,048,576 bytes"),
    ],
)
def test_a_wrong_row_is_named_with_its_file_and_line(tmp_path, content, line, said):
    path = tmp_path / "p.tsv"
    path.write_bytes(content)
    with pytest.raises(TableError) as raised:
        read(path)
    assert (raised.value.file, raised.value.line) == (str(path), line)
    assert said in str(raised.value)


def test_the_longest_side_is_a_setting(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("x" * 40 + "\ty\n")
    assert len(read(path)) == 1
    with pytest.raises(TableError, match=r"40 characters, more than 39; raise data\.longest"):
        read(path, longest=39)


def test_rows_that_are_no_pairs_are_skipped_in_the_order_of_their_lines(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("a,b\n,\n,x\nwrong\ny,\nc,d\n")
    report = ReadReport("skip")
    assert read(path, report, on_error="skip") == [("a", "b"), ("c", "d")]
    assert (report.rows, report.empty_lines, report.skipped) == (2, 1, 3)
    assert [row.line for row in report.examples] == [3, 4, 5]


def test_no_file_is_an_error_that_names_what_is_near(tmp_path):
    (tmp_path / "Pairs.tsv").write_text("a\tb\n")
    with pytest.raises(SettingsError, match=r"no file matches .*nearest there: 'Pairs\.tsv'.*data\.files"):
        PairsExampleGen(PairsData((str(tmp_path / "pairs.tsv"),)))


def test_what_cannot_be_read_is_said_before_a_run_starts(tmp_path):
    (tmp_path / "three.tsv").write_text("a\tb\tc\n")
    (tmp_path / "not.tsv.gz").write_text("a\tb\n")
    for name, said in (("three.tsv", "3 columns"), ("not.tsv.gz", "cannot be read")):
        with pytest.raises(SettingsError, match=rf"{name}: .*{said}"):
            PairsExampleGen(PairsData((str(tmp_path / name),)))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "--set data.files="),
        ({"files": ("",)}, "--set data.files="),
        ({"files": ("x",), "header": "perhaps"}, "data.header is 'perhaps'; it is one of auto, yes, no"),
        ({"files": ("x",), "delimiter": ",,"}, "data.delimiter is ',,'"),
        ({"files": ("x",), "encoding": "klingon"}, "klingon"),
        ({"files": ("x",), "on_error": "ignore"}, "data.on_error"),
        ({"files": ("x",), "most_skipped": 1.0}, "data.most_skipped"),
        ({"files": ("x",), "longest": 0}, "data.longest"),
        ({"files": ("x",), "input": "0"}, "data.input is '0'; the first column is 1"),
    ],
)
def test_a_setting_that_cannot_be_is_named(how, said):
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        PairsData(**how)


def test_settings_survive_json():
    data = PairsData(("a.csv", "b [1]/*.tsv"), input="raw", delimiter=";", longest=99)
    assert from_json(PairsData, to_json(data)) == data


def test_what_was_left_out_is_summarized(tmp_path):
    (tmp_path / "a.tsv").write_text("a\tb\n\n")
    (tmp_path / ".hidden.tsv").write_text("a\tb\n")
    (tmp_path / "README.md").write_text("about")
    data = PairsData((str(tmp_path),))
    found, report = find_pairs(data), ReadReport()
    for part in plan_pairs(data, found):
        list(read_pairs(data, part.part, report))
    summary = summarize(found, report, GroupCounts())
    assert (summary["files"], summary["file_names"], summary["rows"], summary["empty_lines"]) == (1, ["a.tsv"], 1, 1)
    assert (summary["hidden"], summary["others"]) == ([str(tmp_path / ".hidden.tsv")], [str(tmp_path / "README.md")])


def test_files_of_other_splits_are_not_divided(tmp_path):
    for name in ("a", "b", "val", "test"):
        (tmp_path / f"{name}.tsv").write_text("x\ty\n")
    data = PairsData(
        (str(tmp_path),), validation_files=(str(tmp_path / "val*"),), test_files=(str(tmp_path / "test.tsv"),)
    )
    groups = [[file.name for file in found.files] for found in find_pairs(data)]
    assert groups == [["a.tsv", "b.tsv"], ["val.tsv"], ["test.tsv"]]
    assert [(part.part.file.name, part.source) for part in plan_pairs(data, find_pairs(data))] == [
        ("a.tsv", 0),
        ("b.tsv", 0),
        ("val.tsv", 1),
        ("test.tsv", 2),
    ]
    for wrong, said in (
        (
            {"test_files": (str(tmp_path / "v*"), str(tmp_path / "t*")), "validation_files": (str(tmp_path / "v*"),)},
            "name it once",
        ),
        ({"test_files": (str(tmp_path),)}, "every file of data.files"),
    ):
        with pytest.raises(SettingsError, match=said):
            find_pairs(PairsData((str(tmp_path),), **wrong))


def test_the_cache_sees_that_a_file_has_changed(tmp_path):
    path = tmp_path / "p [1].tsv"
    path.write_text("a\tb\n")

    def name():
        return PairsExampleGen(PairsData((str(path),))).spec.exec_properties["fingerprint"]

    first = name()
    assert first == name()
    time.sleep(0.01)
    path.write_text("a\tc\n")
    assert first != name()


@settings(deadline=None)
@given(
    pairs=st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)] * 2), min_size=1
    )
)
def test_any_pairs_of_strings_come_back_as_they_were(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("pairs") / "p.jsonl"
    path.write_text("".join(json.dumps({"expression": e, "answer": a}) + "\n" for e, a in pairs))
    assert read(path) == [tuple(unicodedata.normalize("NFC", side) for side in pair) for pair in pairs]
