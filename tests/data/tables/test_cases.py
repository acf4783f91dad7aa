"""A folder of tables as people have them: what each must give."""

import pytest

from data.errors import TableError
from data.files import find_files
from data.tables.detection import find_layout
from data.tables.options import ENDINGS, Column, TableOptions
from data.tables.reading import plan_parts, read_part, read_table
from data.tables.report import ReadReport
from tests.data.tables import cases


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cases")
    cases.write(path)
    return path


def options_of(case, on_error="stop"):
    columns = (
        Column("input", case.columns[0], ("input", "expression"), "data.input"),
        Column("target", case.columns[1], ("target", "answer", "output"), "data.target"),
    )
    return TableOptions(columns, on_error=on_error, **case.options)


def files_of(folder, case):
    found = find_files(str(folder / case.name), ENDINGS).files
    assert len(found) == 1
    return found


def rows_of(batches):
    return [tuple(row.values()) for batch in batches for row in batch.columns.to_pylist()]


@pytest.mark.parametrize("case", [case for case in cases.CASES if not case.error], ids=lambda case: case.name)
def test_a_good_file_gives_its_rows(folder, case):
    files, options = files_of(folder, case), options_of(case)
    report = ReadReport()
    assert rows_of(read_table(files, options, report)) == case.rows
    assert (report.rows, report.empty_lines, report.skipped) == (len(case.rows), case.empty_lines, 0)
    if case.header is not None:
        assert find_layout(files[0], options).header == case.header


@pytest.mark.parametrize("case", [case for case in cases.CASES if case.error], ids=lambda case: case.name)
def test_a_bad_file_is_an_error_that_names_file_and_line(folder, case):
    with pytest.raises(TableError) as raised:
        rows_of(read_table(files_of(folder, case), options_of(case)))
    assert (raised.value.file, raised.value.line) == (str(folder / case.name), case.line)
    for said in (*case.error, case.name):
        assert said in str(raised.value)


@pytest.mark.parametrize("case", [case for case in cases.CASES if case.error], ids=lambda case: case.name)
def test_bad_rows_are_skipped_and_counted_if_that_is_asked_for(folder, case):
    files, options, report = files_of(folder, case), options_of(case, "skip"), ReadReport("skip")
    if case.skipped < 0:
        with pytest.raises(TableError, match="."):
            rows_of(read_table(files, options, report))
        return
    assert rows_of(read_table(files, options, report)) == case.rows
    assert (report.rows, report.skipped) == (len(case.rows), case.skipped)
    assert (report.examples[0].file, report.examples[0].line) == (str(folder / case.name), case.line)


@pytest.mark.parametrize("case", [case for case in cases.CASES if case.skipped >= 0], ids=lambda case: case.name)
def test_parts_change_neither_rows_nor_lines(folder, case):
    options = options_of(case, "skip")
    whole, report = ReadReport("skip"), ReadReport("skip")
    expected = [
        (line, *row.values())
        for batch in read_table(files_of(folder, case), options, whole)
        for line, row in zip(batch.lines.tolist(), batch.columns.to_pylist(), strict=True)
    ]
    read = []
    for part in plan_parts(files_of(folder, case), options, part_bytes=16):
        for batch in read_part(part, options, part_report := ReadReport("skip")):
            read += [
                (line, *row.values()) for line, row in zip(batch.lines.tolist(), batch.columns.to_pylist(), strict=True)
            ]
        report.add(part_report)
    assert read == expected
    assert report == whole


def test_there_are_enough_cases():
    assert len({case.name for case in cases.CASES}) == len(cases.CASES) > 80
