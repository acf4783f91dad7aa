"""Series from tables: what is repaired, what is refused, and how it is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.series.planning import plan_series
from components.series.settings import SeriesData
from data.errors import DataError
from data.series.reading import parse_values

MONTHS = [str(np.datetime64("2010-01") + step) for step in range(80)]


def write(folder, rows, name="table.csv", header="month,value"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def rows_of(count=80, value=lambda step: 100 + step % 12 + step / 7):
    return [f"{month},{value(step):g}" for step, month in enumerate(MONTHS[:count])]


def plan(path, **settings):
    return plan_series(SeriesData(files=(path,), **{"season": 12, "horizon": 3, "context": 24} | settings))


def test_an_ordered_table_needs_no_repair(tmp_path):
    found = plan(write(tmp_path, rows_of()))
    assert found.data.frequency == "month"
    assert vars(found.table.repairs) == dict.fromkeys(vars(found.table.repairs), 0)
    assert len(found.series[0]) == 80


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(80)))
def test_the_order_of_rows_does_not_matter(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    rows = rows_of()
    found = plan(write(folder, [rows[index] for index in order]))
    np.testing.assert_array_equal(found.series[0].values, plan(write(folder, rows, "ordered.csv")).series[0].values)
    assert found.table.repairs.unordered == int(list(order) != sorted(order))


def test_gaps_and_missing_values_are_filled_on_a_straight_line_and_counted(tmp_path):
    rows = rows_of()
    rows[30] = f"{MONTHS[30]},"
    rows[31] = f"{MONTHS[31]},NA"
    del rows[10]
    series = (found := plan(write(tmp_path, rows))).series[0]
    assert (found.table.repairs.missing, found.table.repairs.filled) == (2, 3)
    assert np.flatnonzero(series.filled).tolist() == [10, 30, 31]
    assert series.values[10] == pytest.approx((series.values[9] + series.values[11]) / 2)


def test_missing_values_at_the_ends_are_cut_off(tmp_path):
    rows = rows_of()
    rows[0], rows[-1] = f"{MONTHS[0]},", f"{MONTHS[79]},"
    assert len(plan(write(tmp_path, rows)).series[0]) == 78


def test_a_long_gap_is_named(tmp_path):
    with pytest.raises(
        DataError, match=r"no value for 5 steps of a month between 2010-10 and 2011-04.*data\.longest_gap"
    ):
        plan(write(tmp_path, rows_of()[:10] + rows_of()[15:]))


def test_rows_that_are_equal_count_once_and_others_stop_with_both_places(tmp_path):
    rows = rows_of()
    assert plan(write(tmp_path, [*rows, rows[3]])).table.repairs.repeated == 1
    path = write(tmp_path, [*rows, f"{MONTHS[3]},7"])
    with pytest.raises(
        DataError, match=r"line 82.*'2010-04' has the value 7 here and .* in line 5; .*data\.duplicates"
    ):
        plan(path)
    for choice, expected in (("last", 7.0), ("mean", None), ("sum", None), ("first", None)):
        found = plan(path, duplicates=choice)
        assert found.table.repairs.combined == 1
        assert expected is None or found.series[0].values[3] == expected


def test_a_value_that_is_no_number_is_named_with_its_line(tmp_path):
    rows = rows_of()
    rows[5] = f"{MONTHS[5]},12a"
    with pytest.raises(DataError, match=r"table\.csv, line 7, column value: '12a' is no finite number"):
        plan(write(tmp_path, rows))
    assert plan(write(tmp_path, rows), on_error="skip", most_skipped=0.5).table.report.skipped == 1


def test_decimal_commas(tmp_path):
    rows = [f"{month};1.{step:03d},5" for step, month in enumerate(MONTHS)]
    found = plan(write(tmp_path, rows, header="month;value"), decimal=",")
    assert found.series[0].values[[0, 7]].tolist() == [1000.5, 1007.5]


def test_times_between_two_steps_are_named(tmp_path):
    rows = rows_of()
    rows[40] = "2013-05-11,3"
    with pytest.raises(DataError, match="no regular step"):
        plan(write(tmp_path, [row.replace(",", "-01,", 1) if row.count("-") == 1 else row for row in rows]))


def test_the_columns_are_found_by_what_is_in_them(tmp_path):
    rows = [f"{shop},{month},{index},{100 + index}" for shop in ("a", "b") for index, month in enumerate(MONTHS)]
    path = write(tmp_path, rows, header="shop,when,note_1,sales")
    with pytest.raises(DataError, match=r"cannot be told which column .* 'note_1', 'sales'.*data\.value"):
        plan(path)
    found = plan(path, value="sales").data
    assert (found.time, found.value, found.series) == ("when", "sales", "shop")
    path = write(tmp_path, [row.replace(f",{row.split(',')[2]},", ",") for row in rows], header="shop,when,sales")
    assert [one.name for one in plan(path).series] == ["a", "b"]


@pytest.mark.parametrize(("first", "step"), [(0, 1), (1_700_000_000, 900)])
def test_whole_numbers_that_rise_evenly_are_the_times_of_a_table_without_dates(tmp_path, first, step):
    rows = [f"{100 + index % 7},{first + step * index}" for index in range(200)]
    found = plan(write(tmp_path, rows, header="kw,sample"))
    assert (found.data.time, found.data.value) == ("sample", "kw")
    np.testing.assert_array_equal(found.series[0].values[:3], [100, 101, 102])


def test_short_and_constant_series_are_named(tmp_path):
    rows = [f"long,{row}" for row in rows_of()] + [f"short,{row}" for row in rows_of(20)]
    rows += [f"flat,{row}" for row in rows_of(value=lambda step: 5)]
    path = write(tmp_path, rows, header="series,month,value")
    with pytest.raises(
        DataError, match=r"the series 'short' is too short: it has 20 values and 36 are needed.*data\.on_error=skip"
    ):
        plan(path)
    found = plan(path, on_error="skip", most_skipped=0.5)
    assert [one.name for one in found.series] == ["long"]
    assert "repeats itself exactly" in found.left_out["flat"]
    with pytest.raises(DataError, match="repeats itself exactly"):
        plan(write(tmp_path, rows_of(value=lambda step: 5)))


def test_a_season_that_is_not_stated_fits_the_length(tmp_path):
    path = write(tmp_path, rows_of(80))
    settled = plan_series(SeriesData(files=(path,))).data
    assert (settled.season, settled.horizon, settled.context) == (12, 12, 24)
    settled = plan_series(SeriesData(files=(write(tmp_path, rows_of(50)),))).data
    assert (settled.season, settled.horizon) == (1, 6)


def test_a_decimal_comma_is_found_and_one_that_can_be_of_thousands_is_asked_about(tmp_path):
    rows = [f"{month};{100 + step},5" for step, month in enumerate(MONTHS)]
    found = plan(write(tmp_path, rows, header="month;value"))
    assert (found.data.decimal, found.series[0].values[1]) == (",", 101.5)
    rows = [f"{month};1,{100 + step}" for step, month in enumerate(MONTHS)]
    with pytest.raises(DataError, match=r"'1,100' the comma can be .*data\.decimal"):
        plan(write(tmp_path, rows, header="month;value"))
    assert plan(write(tmp_path, rows, header="month;value"), decimal=",").series[0].values[1] == pytest.approx(1.101)


@pytest.mark.parametrize(
    ("texts", "decimal", "numbers"),
    [
        (["1,234,567", "-1,234.5", "12"], ".", [1234567, -1234.5, 12]),
        (["1.234.567", "-1.234,5", "12"], ",", [1234567, -1234.5, 12]),
        (["1 234 567", "1\u00a0234,5", "1\u202f234"], ",", [1234567, 1234.5, 1234]),
        (["1'234'567", "1’234.5", "\u22125"], ".", [1234567, 1234.5, -5]),
        (["NaN", "n/a", ""], ".", [np.nan] * 3),
    ],
)
def test_thousands_may_be_separated(texts, decimal, numbers):
    values, wrong = parse_values(texts, decimal)
    np.testing.assert_array_equal(values, numbers)
    assert not wrong.any()


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("1,23", "."),
        ("12,34,567", "."),
        ("1,234 567", "."),
        ("1.5", ","),
        ("1.234.56", ","),
        ("1e400", "."),
        ("2e37", "."),
    ],
)
def test_what_is_no_number_is_not_guessed(text, decimal):
    assert parse_values([text], decimal)[1].all()


def test_thousands_are_found_and_values_too_large_for_the_model_are_named(tmp_path):
    rows = [f'{month},"{1_000_000 + step * step:,}"' for step, month in enumerate(MONTHS)]
    found = plan(write(tmp_path, rows))
    assert (found.data.decimal, found.series[0].values[2]) == (".", 1_000_004)
    with pytest.raises(DataError, match=r"line 2, column value: '1e\+300' is too large, above 1e\+37.*another unit"):
        plan(write(tmp_path, rows_of(value=lambda step: 1e300 * (1 + step % 7))))


def test_bad_values_and_times_hide_no_column(tmp_path):
    rows = [f"{row},{shop}" for shop in "ab" for row in rows_of()]
    rows[5] = f"{MONTHS[5]},12a,a"
    path = write(tmp_path, rows, header="month,sales,shop")
    with pytest.raises(DataError, match=r"line 7, column value: '12a'"):
        plan(path)
    rows[5] = "soon,12,a"
    with pytest.raises(DataError, match=r"line 7, column time: 'soon'"):
        plan(write(tmp_path, rows, header="month,sales,shop"))
    found = plan(write(tmp_path, rows, header="month,sales,shop"), on_error="skip")
    assert (found.table.report.skipped, found.table.repairs.filled) == (1, 1)


def test_two_values_for_one_time_leave_out_that_series_alone(tmp_path):
    rows = [f"{row},{shop}" for shop in ("good", "twice") for row in rows_of()]
    path = write(tmp_path, [*rows, f"{MONTHS[3]},7,twice"], header="month,value,series")
    with pytest.raises(DataError, match="line 162: series 'twice'"):
        plan(path)
    found = plan(path, on_error="skip", most_skipped=0.5)
    assert [one.name for one in found.series] == ["good"]
    assert "has the value 7 here" in found.left_out["twice"]


def test_a_table_of_a_few_rows_has_a_header_too(tmp_path):
    path = write(tmp_path, rows_of(2), header="when,litres")
    with pytest.raises(DataError, match="is too short: it has 2 values"):
        plan(path)
    with pytest.raises(DataError, match="has no row"):
        plan(write(tmp_path, [], header="when,litres"))


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(DataError, match=r"no column 'litres' in .*; it has 'month', 'value'.*data\.value"):
        plan(write(tmp_path, rows_of()), value="litres")


def test_many_series_are_read_in_the_order_of_their_first_rows(tmp_path):
    names = [f"s{number}" for number in (3, 1, 2)]
    rows = [f"{row},{name}" for row in rows_of() for name in names]
    found = plan(write(tmp_path, rows, header="month,value,series"))
    assert [one.name for one in found.series] == names
    assert [line for _, line in found.table.first_rows.values()] == [2, 3, 4]
