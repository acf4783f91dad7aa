"""Makes a folder of tables as people have them, good and bad: `python -m tests.data.tables.cases FOLDER` writes it.

Each case says what reading it must give: rows, empty lines and what is skipped, or the error. The rows of a good one are
`PAIRS` unless it says otherwise.
"""

import bz2
import dataclasses
import datetime
import decimal
import gzip
import io
import json
import lzma
import pathlib
import sys
import tarfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# Words and their reverse: alphabets are small, and letters repeat.
PAIRS = [(word, word[::-1]) for word in (f"{a}{b}{c}" for a in "abcd" for b in "efg" for c in "hiabc")]
WORDS = [
    ("Straße", "s a"),
    ('say "hi", now', "x"),
    ("two\nlines", "y"),
    ("semi;colon", "tab\there"),
    ("日本", "🙂"),
    (" a ", " "),
]


@dataclasses.dataclass(frozen=True)
class Case:
    """A file and what it must give.

    Attributes:
      name: Its path within the folder.
      content: Its bytes.
      rows: Its rows, in order.
      options: How it is read, beside the two columns.
      columns: What is stated for input and target.
      empty_lines: How many it has.
      error: Error messages have these, in any order; empty if there is no error.
      line: The line that the error names, 0 if none.
      skipped: Rows that are left out with `on_error="skip"`; -1 if the file cannot be read at all.
      header: Whether the first row is taken for a header; None where there is none to be found.
    """

    name: str
    content: bytes
    rows: list[tuple[str, str]] = dataclasses.field(default_factory=lambda: PAIRS)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    columns: tuple[str, str] = ("", "")
    empty_lines: int = 0
    error: tuple[str, ...] = ()
    line: int = 0
    skipped: int = 0
    header: bool | None = None


def lines(pairs: list[tuple[str, str]], between: str = "\t", end: str = "\n") -> str:
    return "".join(f"{first}{between}{second}{end}" for first, second in pairs)


def quoted(pairs: list[tuple[str, ...]], between: str = ",", end: str = "\n") -> str:
    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    return "".join(between.join(map(field, pair)) + end for pair in pairs)


def objects(pairs: list[tuple[str, str]], first: str = "input", second: str = "target", **more: Any) -> str:
    return "".join(json.dumps({first: a, second: b, **more}) + "\n" for a, b in pairs)


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **how)
    return sink.getvalue().to_pybytes()


def parquet_of(columns: list[Any], names: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, names), sink)
    return sink.getvalue().to_pybytes()


def tar_of(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(content)
    return sink.getvalue().to_pybytes()


def _good() -> list[Case]:
    tsv, first = lines(PAIRS).encode(), [a for a, _ in PAIRS]
    second = [b for _, b in PAIRS]
    named = [("id", "raw", "clean"), *((str(i), a, b) for i, (a, b) in enumerate(WORDS))]
    return [
        Case("plain.tsv", tsv, header=False),
        Case("no_end.tsv", tsv[:-1]),
        Case("words.csv", quoted(WORDS).encode(), WORDS),
        Case("bare.csv", lines(PAIRS, ",").encode()),
        Case("semicolon.csv", lines(PAIRS, ";").encode()),
        Case("bar.txt", lines(PAIRS, "|").encode()),
        Case("no_ending", tsv),
        Case("decimal.csv", b"1,5;2,5\n3,5;4,5\n5,5;6,25\n", [("1,5", "2,5"), ("3,5", "4,5"), ("5,5", "6,25")]),
        Case("stated.txt", lines(PAIRS, "#").encode(), options={"delimiter": "#"}),
        Case("header.tsv", b"input\toutput\n" + tsv, header=True),
        Case(
            "header_of_numbers.csv",
            b"month,milk\n1962-01,589\n1962-02,561\n1962-03,640\n",
            [("1962-01", "589"), ("1962-02", "561"), ("1962-03", "640")],
            header=True,
        ),
        Case("header_unlike.csv", b"Eingabe,Ausgabe\n" + lines(PAIRS, ",").encode(), header=True),
        Case(
            "header_denied.tsv", b"input\ttarget\n" + tsv, [("input", "target"), *PAIRS], {"header": "no"}, header=False
        ),
        Case("header_stated.tsv", b"ab\tba\n" + tsv, options={"header": "yes"}, header=True),
        Case("header_looks_like_a_row.tsv", b"abc\tcba\n" + tsv, [("abc", "cba"), *PAIRS], header=False),
        Case(
            "header_behind_blank.csv", b"\n\ninput,target\n\n" + lines(PAIRS, ",").encode(), empty_lines=3, header=True
        ),
        Case("by_name.csv", quoted(named).encode(), WORDS, columns=("raw", "clean"), header=True),
        Case("by_name_swapped.csv", quoted(named).encode(), [(b, a) for a, b in WORDS], columns=("clean", "raw")),
        Case("by_position.csv", quoted(named).encode(), WORDS, columns=("2", "3"), header=True),
        Case("one_named.csv", b"word,ipa\n" + lines(PAIRS, ",").encode(), columns=("word", ""), header=True),
        Case(
            "reversed_usual.csv",
            b"target,input\n" + lines(PAIRS, ",").encode(),
            [(b, a) for a, b in PAIRS],
            header=True,
        ),
        Case("blank.tsv", b"\n" + tsv + b"\n \t \n\n", empty_lines=4),
        Case("crlf.tsv", lines(PAIRS, end="\r\n").encode()),
        Case("cr.csv", lines(PAIRS, ",", "\r").encode()),
        Case("mixed_ends.csv", b"a,b\r\nc,d\re,f\ng,h", [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")]),
        Case("mark.tsv", b"\xef\xbb\xbf" + tsv),
        Case("mark_and_quotes.csv", b"\xef\xbb\xbf" + quoted(WORDS).encode(), WORDS),
        Case("utf16.tsv", lines(PAIRS).encode("utf-16")),
        Case("utf16_be.csv", b"\xfe\xff" + quoted(WORDS).encode("utf-16-be"), WORDS),
        Case("utf32.csv", quoted(WORDS).encode("utf-32"), WORDS),
        Case("utf16_no_mark.csv", quoted(WORDS).encode("utf-16-le"), WORDS, {"encoding": "utf-16-le"}),
        Case("latin.csv", "Käse,esäK\n".encode("latin-1"), [("Käse", "esäK")], {"encoding": "latin-1"}),
        Case(
            "shift_jis.csv",
            quoted([("日本語", "かな")]).encode("shift_jis"),
            [("日本語", "かな")],
            {"encoding": "shift_jis"},
        ),
        Case(
            "quotes_are_text.tsv",
            b'"Hi" he said\tx\n5" disk\ty\nplain\t"z\n',
            [('"Hi" he said', "x"), ('5" disk', "y"), ("plain", '"z')],
        ),
        Case("quotes_are_syntax.tsv", quoted(WORDS, "\t").encode(), WORDS),
        Case("quotes_minimal.tsv", b'"say ""hi"""\tx\nplain\ty\n', [('say "hi"', "x"), ("plain", "y")]),
        Case("quotes_around_two.tsv", b'"Hello\tBonjour"\nyes\toui\n', [('"Hello', 'Bonjour"'), ("yes", "oui")]),
        Case("quotes_denied.csv", b'"a",b\n"c",d\n', [('"a"', "b"), ('"c"', "d")], {"quotes": "no"}),
        Case("inner_quotes.csv", b'5" disk,a"b\nx,y\n', [('5" disk', 'a"b'), ("x", "y")]),
        Case("UPPER.JSONL", objects(PAIRS).encode()),
        Case("old_keys.jsonl", objects(PAIRS, "expression", "answer").encode()),
        Case("other_keys.ndjson", objects(PAIRS, "word", "ipa", note=1).encode(), columns=("word", "ipa")),
        Case("two_keys.json", objects(PAIRS, "a", "b").encode()),
        Case(
            "numbers.jsonl",
            b'{"input": 1.50, "target": -3}\r\n\r\n{"target": 1e5, "input": "x"}',
            [("1.50", "-3"), ("x", "1e5")],
            empty_lines=1,
        ),
        Case(
            "control.jsonl",
            objects([("a\x00", "\u202e"), ("\u2028", "\ufeff")]).encode(),
            [("a\x00", "\u202e"), ("\u2028", "\ufeff")],
        ),
        Case("unknown_but_json", objects(PAIRS).encode()),
        Case("strings.parquet", parquet({"input": first, "target": second}, row_group_size=7)),
        Case(
            "others.parquet",
            parquet({"n": list(range(len(PAIRS))), "w": first, "r": pa.array(second).dictionary_encode()}),
            columns=("w", "r"),
        ),
        Case(
            "large.parquet",
            parquet({"input": pa.array(first, pa.large_string()), "target": pa.array(second, pa.binary())}),
        ),
        Case(
            "beside_a_struct.parquet",
            parquet({"meta": [{"input": a, "target": b} for a, b in PAIRS], "input": first, "target": second}),
        ),
        Case(
            "dates.parquet",
            parquet({"d": [datetime.date(2021, 3, 4)], "n": pa.array([decimal.Decimal("1.50")]), "a.b": ["x"]}),
            [("2021-03-04", "1.50")],
            columns=("d", "n"),
        ),
        Case("dotted_name.parquet", parquet({"a.b": first, "c d": second}), columns=("a.b", "c d")),
        Case(
            "codes.parquet",
            parquet({"a": pa.array([7, 8, 7]).dictionary_encode(), "b": ["x", "y", "z"]}),
            [("7", "x"), ("8", "y"), ("7", "z")],
        ),
        Case(
            "same_names.parquet",
            parquet_of([pa.array(second), pa.array(first), pa.array(second)], ["a", "a", "b"]),
            columns=("2", "3"),
        ),
        Case("no_rows.parquet", parquet({"input": pa.array([], pa.string()), "target": pa.array([], pa.string())}), []),
        Case("numbers.pq", parquet({"t": [1, 2], "v": [0.5, 1.25]}), [("1", "0.5"), ("2", "1.25")]),
        Case("packed.tsv.gz", gzip.compress(tsv)),
        Case("packed_twice.csv.GZ", gzip.compress(b"a,b\n") + gzip.compress(b"c,d\n"), [("a", "b"), ("c", "d")]),
        Case("packed.csv.bz2", bz2.compress(quoted(WORDS).encode()), WORDS),
        Case("packed.jsonl.zst", zstd(objects(PAIRS).encode())),
        Case("packed_nothing.csv.gz", gzip.compress(b""), []),
        Case("nul.csv", b"a,b\x00c\nd\x00,e\n", [("a", "b\x00c"), ("d\x00", "e")]),
        Case("index_of_pandas.csv", b",input,target\n0,a,b\n1,c,d\n", [("a", "b"), ("c", "d")], header=True),
        Case(
            "more_columns.tsv",
            b"id\tTarget\tInput\tnote\n1\ta\tb\t\n2\tc\td\t\n",
            [("b", "a"), ("d", "c")],
            header=True,
        ),
        Case(
            "positions_of_usual_names.csv",
            b"k,word,ipa\n1,a,b\nx,c,d\n",
            [("a", "b"), ("c", "d")],
            columns=("2", "3"),
            header=True,
        ),
        Case(
            "name_typed_otherwise.csv",
            "n\u0303ame , b\nx,y\n".encode(),
            [("x", "y")],
            columns=("\u00f1ame", "b"),
            header=True,
        ),
        Case(
            "escapes.jsonl",
            b'{"input": "\\ud83d\\ude42", "target": "\\u0000", "note": "\\ud83d"}\n',
            [("\U0001f642", "\x00")],
        ),
        Case(
            "deep_elsewhere.jsonl",
            b'{"input": "a", "deep": ' + b"[" * 500 + b"]" * 500 + b', "target": "b"}\n',
            [("a", "b")],
        ),
        Case("d\u00edas/\u65e5\u672c [x] #%41 ~.csv", lines(PAIRS, ",").encode()),
        Case("empty.tsv", b"", []),
        Case("header_alone.csv", b"input,target\n", [], header=True),
        Case("only_blank.csv", b"\n\n  \n", [], empty_lines=3),
        Case("exp[2] #1/100% of *it?.tsv", tsv),
    ]


def _bad() -> list[Case]:
    tsv = lines(PAIRS).encode()
    packed = gzip.compress(tsv * 99)
    deep = b'{"input": ' + b"[" * 100_000
    return [
        Case("three.tsv", b"a\tb\tc\nd\te\tf\n", error=("3 columns", "'a'", "data.input"), skipped=-1),
        Case("no_such_name.csv", b"a,b\nc,d\n", columns=("raw", "clean"), error=("no column 'raw'", "'a'"), skipped=-1),
        Case(
            "no_such_key.jsonl",
            objects(PAIRS).encode(),
            [],
            columns=("raw", "target"),
            error=("'raw'", "'input'"),
            line=1,
            skipped=len(PAIRS),
        ),
        Case("no_such_position.csv", b"a,b\nc,d\n", columns=("1", "3"), error=("no column '3'",), skipped=-1),
        Case("twice.csv", b"x,x\na,b\n", columns=("x", ""), error=("2 columns are called 'x'",), skipped=-1),
        Case("ragged.tsv", tsv + b"no tab\n" + tsv, PAIRS * 2, error=("1 column", "'no tab'"), line=61, skipped=1),
        Case(
            "ragged.csv",
            quoted(WORDS).encode() + b"a,b,c\nd,e\n",
            [*WORDS, ("d", "e")],
            error=("3 columns",),
            line=8,
            skipped=1,
        ),
        Case("open_quote.csv", b'a,b\nc,"d\ne,f\n', [("a", "b"), ("e", "f")], error=("not closed",), line=2, skipped=1),
        Case(
            "behind_quote.csv",
            b'a,b\n"c"d,e\nf,g\n',
            [("a", "b"), ("f", "g")],
            error=("behind the closing quote", "column 1"),
            line=2,
            skipped=1,
        ),
        Case(
            "not_utf8.tsv",
            tsv + b"a\tb\xff\n" + tsv,
            PAIRS * 2,
            error=("byte 4", "0xff", "encoding"),
            line=61,
            skipped=1,
        ),
        Case("surrogate.tsv", tsv + b"a\t\xed\xa0\x80\n", error=("byte 3", "UTF-8"), line=61, skipped=1),
        Case(
            "surrogate.utf16.csv",
            b"\xff\xfe" + "a,b\nc,".encode("utf-16-le") + b"\x00\xd8" + "\nd,e\n".encode("utf-16-le"),
            [("a", "b"), ("d", "e")],
            error=("character 3", "utf-16"),
            line=2,
            skipped=1,
        ),
        Case(
            "not_shift_jis.csv",
            "日,本\n".encode("shift_jis") + b"a,\xfd\nb,c\n",
            [("日", "本"), ("b", "c")],
            {"encoding": "shift_jis"},
            error=("shift_jis",),
            line=2,
            skipped=1,
        ),
        Case("utf16_unmarked.tsv", lines(PAIRS).encode("utf-16-le"), error=("looks like UTF-16",), skipped=-1),
        Case(
            "long.tsv",
            tsv + b"x" * 3_000_000 + b"\ty\n" + tsv,
            PAIRS * 2,
            error=("longer than 1,048,576 bytes",),
            line=61,
            skipped=1,
        ),
        Case("deep.jsonl", objects(PAIRS).encode() + deep, error=("nested too deep",), line=61, skipped=1),
        Case("only_deep.jsonl", deep, [], error=("nested too deep",), line=1, skipped=1),
        Case(
            "not_a_number.jsonl",
            objects(PAIRS).encode() + b'{"input": "a", "target": NaN}\n',
            error=("NaN",),
            line=61,
            skipped=1,
        ),
        Case(
            "array.json",
            b'[\n{"input": "a", "target": "b"},\n{"input": "c", "target": "d"}\n]\n',
            [("c", "d")],
            error=("not JSON", "one JSON object a line"),
            line=1,
            skipped=3,
        ),
        Case(
            "half.jsonl",
            b'{"input": "a", "target": "b"}\n{"input": "\\ud800", "target": "b"}\n',
            [("a", "b")],
            error=("half a surrogate pair", "'input'"),
            line=2,
            skipped=1,
        ),
        Case(
            "null.jsonl",
            b'{"input": "a", "target": null}\n{"input": "a", "target": ["b"]}\n{"input": "a", "target": true}\n',
            [],
            error=("null", "'target'"),
            line=1,
            skipped=3,
        ),
        Case(
            "twice.jsonl",
            b'{"input": "a", "input": "b", "target": "c"}\n',
            [],
            error=("'input' is there twice",),
            line=1,
            skipped=1,
        ),
        Case(
            "null.parquet",
            parquet({"a": ["x", None, "z"], "b": ["1", "2", "3"]}),
            [("x", "1"), ("z", "3")],
            error=("null", "'a'", "row 2"),
            line=2,
            skipped=1,
        ),
        Case(
            "nan.parquet",
            parquet({"a": ["x", "y", "z"], "b": pa.array([1.5, float("nan"), 2.0])}),
            [("x", "1.5"), ("z", "2")],
            error=("null", "'b'", "row 2"),
            line=2,
            skipped=1,
        ),
        Case(
            "not_utf8.parquet",
            parquet({"a": pa.array([b"x", b"\xff"]), "b": ["1", "2"]}),
            [("x", "1")],
            error=("not UTF-8", "'a'", "row 2", "as strings"),
            line=2,
            skipped=1,
        ),
        Case(
            "nested_name.parquet",
            parquet({"m": [{"a": "x"}]}),
            columns=("m.a", "m"),
            error=("no column 'm.a'",),
            skipped=-1,
        ),
        Case(
            "same_names_named.parquet",
            parquet_of([pa.array(["x"]), pa.array(["y"])], ["a", "a"]),
            columns=("a", ""),
            error=("2 columns are called 'a'",),
            skipped=-1,
        ),
        Case("odd_utf16.csv", "a,b\n".encode("utf-16")[:-1], [], error=("utf-16-le",), line=1, skipped=1),
        Case("wrong_sum.csv.gz", gzip.compress(tsv)[:-8] + bytes(8), error=("cannot be read", "CRC"), skipped=-1),
        Case("garbage_behind.csv.gz", gzip.compress(tsv) + b"garbage", error=("cannot be read", ".gz"), skipped=-1),
        Case("cut_to_nothing.csv.gz", b"", error=("is empty", ".gz archive"), skipped=-1),
        Case("not_bzip2.csv.bz2", tsv, error=("cannot be read", ".bz2"), skipped=-1),
        Case("not_zstandard.csv.zst", tsv, error=("cannot be read", ".zst"), skipped=-1),
        Case("is_gzip.csv", packed, error=("packed with gzip", ".gz"), skipped=-1),
        Case("packed.csv.xz", lzma.compress(tsv), error=("packed with xz", "unpack it"), skipped=-1),
        Case("folder.tar", tar_of("a.tsv", tsv), error=("tar archive", "unpack it"), skipped=-1),
        Case("folder.tar.gz", gzip.compress(tar_of("a.tsv", tsv)), error=("tar archive", "unpack it"), skipped=-1),
        Case("lists.parquet", parquet({"a": ["x"], "b": [["y"]]}), error=("list", "'b'"), skipped=-1),
        Case(
            "cut_off.parquet", parquet({"a": ["x"] * 99, "b": ["y"] * 99})[:-30], error=("cannot be read",), skipped=-1
        ),
        Case("no.parquet", tsv, error=("no Parquet",), skipped=-1),
        Case("truncated.tsv.gz", packed[:-9], error=("cannot be read",), skipped=-1),
        Case("truncated.csv.bz2", bz2.compress(tsv * 99)[:-9], error=("cannot be read",), skipped=-1),
        Case("truncated.csv.zst", zstd(tsv * 99)[:-9], error=("cannot be read",), skipped=-1),
        Case("not_gzip.tsv.gz", tsv, error=("cannot be read", ".gz"), skipped=-1),
        Case("is_gzip.tsv", packed, error=("packed with gzip", ".gz"), skipped=-1),
        Case("workbook.csv", b"PK\x03\x04" + b"\x00" * 99, error=("workbook",), skipped=-1),
    ]


CASES = _good() + _bad()


def write(folder: pathlib.Path) -> None:
    for case in CASES:
        path = folder / case.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.content)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
