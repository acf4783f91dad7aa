"""Generated dates: one meaning each, the same whoever makes them, and on the side that follows from the input."""

import collections
import dataclasses
import datetime
import json
import re

import babel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from components.example_gen.dates.formats import find_writer, has_two_digits
from components.example_gen.dates.generator import generate, sides, to_record_batch
from components.example_gen.dates.settings import DatesData
from components.example_gen.executor import DatesExecutor
from components.names import COUNTS_PROPERTY
from components.settings import SettingsError, from_json, to_json
from pipeline.beam.settings import BeamSettings
from pipeline.config.task_files import load_task

DATES = DatesData()
ALL_LOCALES = sorted(tag.replace("_", "-") for tag in babel.localedata.locale_identifiers())


def test_there_are_twenty_languages_and_each_has_twelve_formats():
    assert len({locale.split("-")[0] for locale in DATES.locales}) >= 20
    assert min(len(find_writer(locale).formats) for locale in DATES.locales) >= 12


@given(
    seed=st.integers(0, 2**64),
    start=st.integers(0, 10**9),
    locales=st.lists(st.sampled_from(ALL_LOCALES), min_size=1, max_size=4, unique=True),
)
@settings(max_examples=50, deadline=None)
def test_an_example_is_a_locale_and_a_date_with_its_meaning(seed, start, locales):
    data = DatesData(locales=tuple(locales), seed=seed)
    examples = list(generate(data, start, start + 20))
    assert len(examples) == 20
    for example in examples:
        locale, _, text = example.expression.partition(" ")
        assert locale == example.locale
        assert locale in locales
        date = datetime.date.fromisoformat(example.answer)
        assert data.first_year <= date.year <= data.last_year
        assert text.strip()
        # Whatever the language, the digits of the day and of the year are there.
        assert str(date.day) in text
        assert f"{date.year % 100:02}" in text


@pytest.mark.parametrize("locale", DATES.locales)
def test_no_string_has_two_meanings(locale):
    data = DatesData(locales=(locale,), first_year=2001, last_year=2004)
    meanings = collections.defaultdict(set)
    for example in generate(data, 0, 4_000):
        meanings[example.expression].add(example.answer)
    assert [text for text, answers in meanings.items() if len(answers) > 1] == []


@given(st.sampled_from(ALL_LOCALES))
@settings(max_examples=100, deadline=None)
def test_numbers_are_in_one_order_in_all_formats_of_a_locale(locale):
    writer = find_writer(locale)
    patterns = [pattern for found in writer.formats for pattern in found.patterns]
    assert len(set(patterns)) == len(patterns)
    # Written with dates that tell the orders apart, digits alone are read in at most one way.
    read = collections.defaultdict(set)
    for date in (datetime.date(*ymd) for ymd in ((2003, 4, 5), (2003, 5, 4), (2004, 3, 5), (2005, 4, 3), (2004, 5, 3))):
        for pattern in patterns:
            text = writer.write(date, pattern)
            numbers = tuple(map(int, re.findall("[0-9]+", text)))
            if len(numbers) == 3 and not re.search("M{3}|L{3}", pattern):
                read[numbers].add(date)
    assert [numbers for numbers, dates in read.items() if len(dates) > 1] == []


@pytest.mark.parametrize(
    ("locale", "pattern", "date", "text"),
    [
        ("en-US", "M/d/yy", (2021, 3, 4), "3/4/21"),
        ("en-GB", "dd/MM/y", (2021, 3, 4), "04/03/2021"),
        ("en-US", "MMMM d{th}, y", (2021, 3, 3), "March 3rd, 2021"),
        ("en-GB", "d{th} 'of' MMMM y", (2021, 3, 12), "12th of March 2021"),
        ("fr", "d{th} MMMM y", (2021, 3, 1), "1er mars 2021"),
        ("fr", "d{th} MMMM y", (2021, 3, 2), "2 mars 2021"),
        ("fi", "cccc d. MMMM y", (2021, 3, 3), "keskiviikko 3. maaliskuuta 2021"),
        ("ja", "y年M月d日EEEE", (2021, 3, 3), "2021年3月3日水曜日"),
    ],
)
def test_a_locale_writes_a_date_as_it_is_written_there(locale, pattern, date, text):
    writer = find_writer(locale)
    assert pattern in [known for found in writer.formats for known in found.patterns]
    assert writer.write(datetime.date(*date), pattern) == text


def test_a_month_whose_name_has_a_number_is_written_as_cldr_has_it_alone():
    for locale in ("zh", "ja", "ko", "vi"):
        assert not {"day-month-year", "month-day-year"} & {found.name for found in find_writer(locale).formats}


def test_a_year_of_two_digits_is_of_the_hundred_years_of_posix():
    for years in ((1900, 2099), (1990, 1990), (1900, 1970)):
        data = DatesData(first_year=years[0], last_year=years[1])
        found = [example for example in generate(data, 0, 3_000) if example.format == "two-digit-year"]
        assert found
        for example in found:
            text = example.expression.partition(" ")[2]
            year = datetime.datetime.strptime(example.answer[2:4], "%y").year
            assert example.answer.startswith(str(year))
            assert f"{year % 100:02}" in text
    without = DatesData(first_year=1900, last_year=1960)
    assert all(example.format != "two-digit-year" for example in generate(without, 0, 1_000))
    assert not any(has_two_digits(p) for found in find_writer("de", False).formats for p in found.patterns)


def test_turkish_capitals_have_their_dots():
    data = DatesData(locales=("tr",))
    months = " ".join(example.expression for example in generate(data, 0, 4_000))
    assert "NİSAN" in months
    assert "nisan" in months
    assert "NISAN" not in months


@given(seed=st.integers(0, 2**64), start=st.integers(0, 10**6), length=st.integers(1, 40), cut=st.integers(0, 40))
@settings(deadline=None)
def test_any_range_of_examples_can_be_made_alone(seed, start, length, cut):
    data = DatesData(seed=seed)
    cut = min(cut, length)
    whole = list(generate(data, start, start + length))
    assert [*generate(data, start, start + cut), *generate(data, start + cut, start + length)] == whole


def test_equal_inputs_are_on_one_side_whatever_the_seed():
    one, other = (DatesData(locales=("de",), first_year=2020, last_year=2020, seed=seed) for seed in (1, 2))
    side = {}
    for data in (one, other):
        examples = list(generate(data, 0, 5_000))
        for example, found in zip(examples, sides(data, examples).tolist(), strict=True):
            assert side.setdefault(example.expression, found) == found
    assert set(side.values()) == {0, 1, 2}


def test_the_record_batch_has_strings_and_slice_features():
    batch = to_record_batch(list(generate(DatesData(locales=("ja",)), 0, 2)))
    assert batch.schema.names == ["expression", "answer", "locale", "format"]
    row = batch.to_pylist()[0]
    assert row["locale"] == [b"ja"]
    assert row["expression"][0].startswith(b"ja ")


def make(data, folder, workers):
    """Runs the executor under Beam; returns the artifact's counts and its files by name."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    arguments = BeamSettings(workers=workers).pipeline_args
    context = BaseBeamExecutor.Context(beam_pipeline_args=arguments, tmp_dir=str(folder / "tmp"), unique_id="1")
    DatesExecutor(context).Do({}, {"examples": [artifact]}, {"data": to_json(data)})
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.gz")}
    return json.loads(artifact.get_string_custom_property(COUNTS_PROPERTY)), files


def test_the_bytes_are_the_same_whatever_the_number_of_workers(tmp_path):
    data = dataclasses.replace(DATES, count=600, examples_per_shard=100)
    counts, files = make(data, tmp_path / "one", 1)
    assert sum(counts.values()) == 600
    assert len(files) == 3 * 6
    assert make(data, tmp_path / "two", 2) == (counts, files)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"locales": ()}, "data.locales is empty"),
        ({"locales": ("de", "de")}, "each may be there once"),
        ({"first_year": 999}, "data.first_year is 999"),
        ({"last_year": 10_000}, "data.last_year is 10000"),
        ({"first_year": 2000, "last_year": 1999}, "later than data.last_year"),
        ({"count": 2}, "data.count is 2"),
        ({"examples_per_shard": 0}, "data.examples_per_shard"),
    ],
)
def test_a_setting_that_cannot_be_is_named(wrong, named):
    with pytest.raises(SettingsError, match=named):
        DatesData(**wrong)


@pytest.mark.parametrize("locale", ["xx", "de_DE", "german", "../de", "", "de-", "1"])
def test_a_language_that_cldr_does_not_know_is_named(locale):
    with pytest.raises(SettingsError, match=r"data\.locales has .* which CLDR does not know"):
        find_writer(locale)


def test_the_task_has_the_data_and_survives_json():
    config = load_task("dates", ["data.locales=fr,de"])
    assert config.data.locales == ("fr", "de")
    assert from_json(DatesData, to_json(config.data)) == config.data
