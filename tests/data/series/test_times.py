"""Times as people write them, and the step between them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from data.series.frequency import UNITS, Frequency, find_frequency, parse_frequency
from data.series.times import AmbiguousTimesError, TimeFormatError, UnreadableTimeError, parse_times


@pytest.mark.parametrize(
    ("texts", "second"),
    [
        (["1962-01", "1962-02"], "1962-02-01"),
        (["2024-01-31", "2024-02-29"], "2024-02-29"),
        (["20240131", "20240229"], "2024-02-29"),
        (["202401", "202402"], "2024-02-01"),
        (["2024-01-01T10:00:00Z", "2024-01-01T12:30:00+01:00"], "2024-01-01T11:30:00"),
        (["2024-01-01 10:00", "2024-01-01 10:15"], "2024-01-01T10:15:00"),
        (["13/01/2024", "14/01/2024"], "2024-01-14"),
        (["01/13/2024", "01/14/2024"], "2024-01-14"),
        (["1.2.2024", "2.2.2024"], "2024-02-02"),
        (["2023 Q4", "2024 Q1"], "2024-01-01"),
        (["2023-Q4", "2024-Q1"], "2024-01-01"),
        (["Q4 2023", "Q1 2024"], "2024-01-01"),
        (["2024-W01", "2024-W02"], "2024-01-08"),
        (["2020-W53", "2021-W01"], "2021-01-04"),
        (["Jan 2024", "Feb 2024"], "2024-02-01"),
        (["January 2024", "February 2024"], "2024-02-01"),
        (["1749", "1750"], "1750-01-01"),
        (["1704067200", "1704070800"], "2024-01-01T01:00:00"),
        (["1704067200000", "1704070800000"], "2024-01-01T01:00:00"),
        ([" 2024-01 ", "2024-02"], "2024-02-01"),
    ],
)
def test_times_are_read_as_people_write_them(texts, second):
    times, counted = parse_times(texts)
    assert (times[1], counted) == (np.datetime64(second, "s"), False)


def test_local_midnights_keep_their_dates_when_summer_time_begins():
    times, _ = parse_times(["2024-03-30T00:00:00+01:00", "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"])
    assert times.astype("datetime64[D]").astype(str).tolist() == ["2024-03-30", "2024-03-31", "2024-04-01"]
    hours, _ = parse_times(["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00"])
    assert np.diff(hours).astype(int).tolist() == [3600, 3600]


@pytest.mark.parametrize(
    "texts", [["2024-01-01T00:00:00", "2024-01-01T00:00:00.5"], ["1704067200000", "1704067200500"]]
)
def test_fractions_of_a_second_are_refused(texts):
    with pytest.raises(DataError, match="has a fraction of a second.*number the steps"):
        parse_times(texts)


def test_most_of_a_column_says_how_it_is_written():
    with pytest.raises(UnreadableTimeError, match="is no time") as refused:
        parse_times(["31.01.2024", "soon", "01.02.2024", "later"])
    assert sorted(refused.value.texts) == ["later", "soon"]


def test_small_whole_numbers_are_counted_steps():
    times, counted = parse_times(["1", "2", "3"])
    assert counted
    assert find_frequency([times], counted) == Frequency("step")


def test_dates_that_can_be_read_in_two_ways_are_refused_with_the_remedy():
    with pytest.raises(AmbiguousTimesError, match=r"%d/%m/%Y and as %m/%d/%Y.*data\.time_format"):
        parse_times(["01/02/2024", "02/02/2024", "03/02/2024"])
    assert parse_times(["01/02/2024", "02/02/2024"], "%d/%m/%Y")[0][1] == np.datetime64("2024-02-02")


@pytest.mark.parametrize("stated", ["%s", "%Y-%q", "%"])
def test_a_format_that_is_none_is_refused_with_the_remedy(stated):
    with pytest.raises(TimeFormatError, match="data.time_format is '%.*such as '%d.%m.%Y"):
        parse_times(["1700000000", "1700000900"], stated)


def test_the_one_value_that_is_no_time_is_named():
    with pytest.raises(UnreadableTimeError, match="'soon'"):
        parse_times(["2024-01-01", "soon", "2024-01-03"])


@pytest.mark.parametrize(
    ("texts", "frequency", "season"),
    [
        (["2024-01", "2024-02", "2024-04"], "month", 12),
        (["2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31"], "month", 12),
        (["2023-01-01", "2023-04-01", "2023-07-01"], "quarter", 4),
        (["2020", "2021", "2022"], "year", 1),
        (["2023-01", "2023-03", "2023-05"], "2 months", 6),
        (["2024-01-01", "2024-01-08", "2024-01-22"], "week", 52),
        (["2024-01-05", "2024-01-06", "2024-01-07"], "day", 7),
        ([f"2024-01-{day:02d}" for day in range(1, 27) if day % 7 not in (6, 0)], "business day", 5),
        (["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"], "hour", 24),
        (["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:30"], "15 minutes", 96),
    ],
)
def test_the_step_and_its_season_are_found(texts, frequency, season):
    times, counted = parse_times(texts)
    found = find_frequency([times], counted)
    assert (str(found), found.season) == (frequency, season)
    assert found == parse_frequency(frequency)


@given(st.sampled_from(UNITS), st.integers(1, 5), st.integers(0, 400), st.integers(0, 20_000))
def test_a_step_forward_is_a_step_by_index(unit, multiple, steps, day):
    frequency = Frequency(unit, multiple)
    begin = np.busday_offset(np.datetime64(day, "D"), 0, roll="forward").astype("datetime64[s]")
    index, whole = frequency.index(np.array([begin, frequency.after(begin, steps)]))
    assert index.tolist() == [0, steps]
    assert whole.all()


def test_the_end_of_a_month_stays_the_end():
    assert Frequency("month").after(np.datetime64("2024-01-31", "s"), 1) == np.datetime64("2024-02-29")
    assert Frequency("month").after(np.datetime64("2024-02-29", "s"), 1) == np.datetime64("2024-03-31")
    assert Frequency("month").after(np.datetime64("2024-01-30", "s"), 1) == np.datetime64("2024-02-29")


@pytest.mark.parametrize("text", ["", "fortnight", "0 days", "day month"])
def test_what_is_no_frequency_is_refused(text):
    with pytest.raises(DataError, match="is no frequency"):
        parse_frequency(text)
