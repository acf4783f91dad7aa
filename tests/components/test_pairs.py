"""A user's own pairs: what a pair is, what is refused with file and line, and on which side it is."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen.component import PairsExampleGen
from components.example_gen.pairs import find_pairs, plan_pairs, read_pairs, summarize
from components.example_gen.settings import PairsData
from components.example_gen.splits import TEST, TRAIN, VALIDATION
from components.settings import SettingsError, from_json, to_json
from data.errors import TableError
from data.tables.report import ReadReport


def read(path, report=None, **how):
    data = PairsData((str(path),), **how)
    report = report or ReadReport(data.on_error)
    batches = [batch for part in plan_pairs(data, find_pairs(data)) for batch in read_pairs(data, part, report)]
    rows = [
        (expression[0].decode(), answer[0].decode())
        for batch, _ in batches
        for expression, answer in zip(batch["expression"].to_pylist(), batch["answer"].to_pylist(), strict=True)
    ]
    return rows, [side for _, sides in batches for side in sides]


def test_columns_by_name_are_the_features(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text('id,raw,clean\n0,"aé, ""b""",x\n1,c,d\n')
    assert read(path, input="raw", target="clean")[0] == [('aé, "b"', "x"), ("c", "d")]
    assert read(path, input="3", target="2")[0] == [("x", 'aé, "b"'), ("d", "c")]


def test_the_length_counts_characters(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("a🙂é\tb\n")
    data = PairsData((str(path),))
    ((batch, _),) = [b for part in plan_pairs(data, find_pairs(data)) for b in read_pairs(data, part, ReadReport())]
    assert batch["length"].to_pylist() == [[3]]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"a\tb\nno tab\n", 2, "1 column"),
        (b"a\tb\nc\td\na\tb\tc\n", 3, "3 columns"),
        (b"a\tb\na\t\n", 2, "column target: the value is empty"),
        (b"a\tb\n\tb\n", 2, "column input: the value is empty"),
        (b"a\tb\n\tb\nc\t\n", 2, "column input: the value is empty"),
        (b"a\tb\nc\t\xff\n", 2, "byte 3"),
        (b"a\tb\n" + b"x" * 33 + b"\ty\n", 2, "33 characters, more than 32; raise data.input_length"),
        (b"a\tb\ny\t" + b"x" * 33 + b"\n", 2, "33 characters, more than 32; raise data.output_length"),
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
    assert len(read(path, input_length=2_000, output_length=2_000)[0]) == 1
    with pytest.raises(TableError, match=r"40 characters, more than 39; raise data\.longest"):
        read(path, input_length=2_000, longest=39)


def test_rows_that_are_no_pairs_are_skipped_in_the_order_of_their_lines(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("a,b\n,\n,x\nwrong\ny,\nc,d\n")
    report = ReadReport("skip")
    assert read(path, report, on_error="skip")[0] == [("a", "b"), ("c", "d")]
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
        list(read_pairs(data, part, report))
    summary = summarize(found, report)
    assert (summary["files"], summary["file_names"], summary["rows"], summary["empty_lines"]) == (1, ["a.tsv"], 1, 1)
    assert (summary["hidden"], summary["others"]) == ([str(tmp_path / ".hidden.tsv")], [str(tmp_path / "README.md")])


def test_all_answers_of_an_input_are_on_one_side_in_any_file(tmp_path):
    first, second = tmp_path / "1.tsv", tmp_path / "2.csv"
    first.write_text("".join(f"word{i}\tx\nword{i}\tz\n" for i in range(200)))
    second.write_text("".join(f"word{i},y\n" for i in reversed(range(200))))
    shares = {"test_fraction": 0.3, "validation_fraction": 0.3}
    sides = read(first, **shares)[1]
    assert sides[::2] == sides[1::2]
    assert read(second, **shares)[1] == sides[::-2]
    assert all(40 < sides[::2].count(side) < 110 for side in (TRAIN, VALIDATION, TEST))


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
    assert read(path)[0] == pairs
