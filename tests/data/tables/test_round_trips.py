"""What is written is what is read, in every format, in any number of files and parts."""

import contextlib
import itertools

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.errors import TableError
from data.files import find_files
from data.tables.options import ENDINGS, Column, TableOptions
from data.tables.reading import plan_parts, read_part, read_table
from data.tables.report import ReadReport
from data.tables.writing import open_writer

FORMATS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "tsv.bz2", "jsonl.zst")
SCHEMA = pa.schema([("first", pa.string()), ("second", pa.string())])
BY_NAME = TableOptions((Column("first", "first"), Column("second", "second")))

# What separates, quotes, ends or marks somewhere, and any other character.
TEXTS = st.lists(
    st.sampled_from(
        [",", "\t", ";", '"', '""', "\n", "\r", "\r\n", " ", "\ufeff", "\x00", "\u2028", "a", "é", "🙂", "\\", "'"]
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=8,
).map("".join)


def batch_of(rows):
    return pa.RecordBatch.from_arrays(
        [pa.array([row[0] for row in rows], pa.string()), pa.array([row[1] for row in rows], pa.string())],
        schema=SCHEMA,
    )


def write(path, rows, **how):
    with open_writer(str(path), SCHEMA, **how) as writer:
        for start in range(0, len(rows), 100):
            writer.write(batch_of(rows[start : start + 100]))


def rows_of(batches):
    return [tuple(row.values()) for batch in batches for row in batch.columns.to_pylist()]


def read(paths, options=BY_NAME):
    return rows_of(read_table(find_files([str(path) for path in paths], ENDINGS).files, options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@settings(deadline=None, max_examples=60)
@example(rows=[("", "\x00\x00")])
@example(rows=[("", ""), (" ", "\t"), ("\ufeff", '"'), ("", "x")])
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=12))
@pytest.mark.parametrize("ending", FORMATS)
def test_any_rows_come_back_as_they_were(folder, ending, rows):
    path = folder / f"rows.{ending}"
    write(path, rows)
    assert read([path]) == rows


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=30), part_bytes=st.integers(1, 200))
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_parts_of_any_size_have_the_same_rows(folder, ending, rows, part_bytes):
    path = folder / f"parts.{ending}"
    write(path, rows)
    parts = plan_parts(find_files(str(path), ENDINGS).files, BY_NAME, part_bytes)
    batches = itertools.chain.from_iterable(read_part(part, BY_NAME, ReadReport()) for part in parts)
    assert rows_of(batches) == rows


def test_the_same_rows_in_every_format_in_one_file_or_ten(tmp_path):
    rows = [(f'word "{i}", \t{"ä" * (i % 7)}', f"line\n{i}" if i % 5 else str(i)) for i in range(5_000)]
    for ending in FORMATS:
        write(tmp_path / f"one.{ending}", rows)
        (tmp_path / ending).mkdir()
        for file in range(10):
            write(tmp_path / ending / f"{file}.{ending}", rows[500 * file : 500 * (file + 1)])
        assert read([tmp_path / f"one.{ending}"]) == rows
        assert read([tmp_path / ending]) == rows
        files = find_files(str(tmp_path / f"one.{ending}"), ENDINGS).files
        parts = plan_parts(files, BY_NAME, part_bytes=files[0].size // 4)
        packed_or_grouped = "." in ending or ending == "parquet"
        assert len(parts) == 1 if packed_or_grouped else 4 <= len(parts) <= 5
        assert [row for part in parts for row in rows_of(read_part(part, BY_NAME, ReadReport()))] == rows


def test_row_groups_are_parts(tmp_path):
    import pyarrow.parquet as pq

    rows = [(f"word{i}", f"{i}") for i in range(1_000)]
    pq.write_table(pa.Table.from_batches([batch_of(rows)]), tmp_path / "p.parquet", row_group_size=100)
    parts = plan_parts(find_files(str(tmp_path / "p.parquet"), ENDINGS).files, BY_NAME, part_bytes=1)
    assert [part.first_line for part in parts] == [1 + 100 * i for i in range(10)]
    batches = [batch for part in parts for batch in read_part(part, BY_NAME, ReadReport())]
    assert rows_of(batches) == rows
    assert [line for batch in batches for line in batch.lines.tolist()] == list(range(1, 1_001))


def cut_off(path, rows):
    """Leaves what a writer leaves that an error stops."""
    with contextlib.suppress(KeyboardInterrupt), open_writer(str(path), SCHEMA) as writer:
        writer.write(batch_of(rows))
        raise KeyboardInterrupt


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_table_that_was_cut_off_is_gone_on_with(tmp_path, ending, cut):
    rows = [("a", "1"), ('quote " and\nline', "2"), ("é🙂", ""), ("last", "4")]
    path, part = tmp_path / f"out.{ending}", tmp_path / f"out.{ending}.part"
    cut_off(path, rows[:3])
    assert not path.exists()
    part.write_bytes(part.read_bytes()[:-cut])
    with open_writer(str(path), SCHEMA, resume=True) as writer:
        assert 0 <= writer.rows <= 2 if cut > 3 else writer.rows == 2
        writer.write(batch_of(rows[writer.rows :]))
        assert writer.rows == 4
    assert read([path]) == rows
    assert not part.exists()


def test_a_part_of_another_table_is_not_gone_on_with(tmp_path):
    for ending in ("csv", "jsonl"):
        (tmp_path / f"out.{ending}.part").write_text("x,y\n1,2\n" if ending == "csv" else '{"x": "1"}\n')
        with pytest.raises(TableError, match=rf"out\.{ending}\.part.* columns x.*first, second.*remove it"):
            open_writer(str(tmp_path / f"out.{ending}"), SCHEMA, resume=True)


def test_numbers_are_written_as_such(tmp_path):
    schema = pa.schema([("text", pa.string()), ("log_prob", pa.float64()), ("n", pa.int64())])
    batch = pa.RecordBatch.from_pydict({"text": ["a"], "log_prob": [-0.1], "n": [3]}, schema=schema)
    for ending, content in (
        ("csv", "text,log_prob,n\na,-0.1,3\n"),
        ("jsonl", '{"text": "a", "log_prob": -0.1, "n": 3}\n'),
    ):
        with open_writer(str(tmp_path / f"o.{ending}"), schema) as writer:
            writer.write(batch)
        assert (tmp_path / f"o.{ending}").read_text() == content


def test_what_cannot_be_written_is_an_error_that_names_it(tmp_path):
    with pytest.raises(TableError, match=r"nowhere/o\.csv: cannot be written"):
        open_writer(str(tmp_path / "nowhere" / "o.csv"), SCHEMA)
    with pytest.raises(TableError, match=r"o\.xlsx: no format is known"):
        open_writer(str(tmp_path / "o.xlsx"), SCHEMA)


def test_nulls_are_errors_or_empty_texts(tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"first": ["a", None], "second": pa.array([None, 2], pa.int64())}), tmp_path / "n.parquet")
    (tmp_path / "n.jsonl").write_text('{"first": "a", "second": null}\n{"second": 2}\n')
    (tmp_path / "n.csv").write_text("first,second\na,\n,2\n")
    nullable = TableOptions((Column("first", "first", nullable=True), Column("second", "second", nullable=True)))
    for name in ("n.parquet", "n.jsonl", "n.csv"):
        assert read([tmp_path / name], nullable) == [("a", ""), ("", "2")]
        assert read([tmp_path / name], TableOptions(header="yes")) == [("a", ""), ("", "2")]
    for name in ("n.parquet", "n.jsonl"):
        with pytest.raises(TableError, match=r"1, column 'second': .*null"):
            read([tmp_path / name])


def test_bytes_in_parquet_that_are_no_text_are_errors(tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"first": [b"a", b"\xff", "é".encode()], "second": [1, 2, 3]}), tmp_path / "b.parquet")
    with pytest.raises(TableError, match=r"b\.parquet, row 2, column 'first': the value is not UTF-8"):
        read([tmp_path / "b.parquet"])
    options = TableOptions(BY_NAME.columns, on_error="skip")
    assert read([tmp_path / "b.parquet"], options) == [("a", "1"), ("é", "3")]
