"""Settings of generated dates."""

import dataclasses
import datetime
from typing import ClassVar, Literal

from components.example_gen.splits import SplitData
from components.settings import SettingsError

# A year of two digits is of these, as POSIX has it for strptime's %y.
TWO_DIGIT_YEARS = range(1969, 2069)

# With other centuries a year may have other than four digits, and ISO 8601 asks for four.
_YEARS = range(1000, 10_000)


@dataclasses.dataclass(frozen=True)
class DatesData(SplitData):
    """Which dates to generate. An input is a locale, a space and a date as it is written there, such as `de 3. Mai 2021`.

    Attributes:
      locales: Languages, with or without a country, as BCP 47 names them. CLDR says which months, orders and formats each has.
        The locale is part of the input because it decides whether `3/4/2021` is in March or in April.
      first_year: The year of the earliest dates.
      last_year: The year of the latest dates. A year of two digits is one of 1969 to 2068.
      count: Number of examples in the three splits together.
      seed: Seed with which the examples are drawn. The split of an example does not depend on it.
      unknown: What a served model does with an input that has a character which training did not have: `refuse` it, or
        `replace` the character by a sign for the unknown, answer as well as it can, and say so in the output `unknown`.
      examples_per_shard: Examples in one TFRecord file: the unit of work of a Beam worker.
    """

    input_tokens: ClassVar[str] = "characters"
    target_tokens: ClassVar[str] = "characters"

    locales: tuple[str, ...] = (
        "en-US",
        "en-GB",
        "de",
        "fr",
        "es",
        "it",
        "pt-BR",
        "nl",
        "sv",
        "da",
        "nb",
        "fi",
        "pl",
        "cs",
        "hu",
        "ro",
        "el",
        "ru",
        "uk",
        "tr",
        "ja",
        "zh",
        "ko",
        "vi",
        "id",
    )
    first_year: int = 1900
    last_year: int = 2099
    count: int = 30_000
    seed: int = 17
    unknown: Literal["refuse", "replace"] = "refuse"
    examples_per_shard: int = 16_384

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.locales or not all(self.locales):
            raise SettingsError("data.locales is empty; name languages, such as --set data.locales=de,en-US")
        if len(set(self.locales)) < len(self.locales):
            raise SettingsError(f"data.locales is {', '.join(self.locales)}; each may be there once")
        for name in ("first_year", "last_year"):
            if getattr(self, name) not in _YEARS:
                raise SettingsError(f"data.{name} is {getattr(self, name)}; it has four digits")
        if self.first_year > self.last_year:
            raise SettingsError(f"data.first_year is {self.first_year}, later than data.last_year, {self.last_year}")
        if self.count < 3:
            raise SettingsError(f"data.count is {self.count}; each of the three splits needs an example")
        if self.examples_per_shard < 1:
            raise SettingsError(f"data.examples_per_shard is {self.examples_per_shard}; it must be at least 1")
        if self.unknown not in ("refuse", "replace"):
            raise SettingsError(f"data.unknown is {self.unknown!r}; it is refuse or replace")

    @property
    def days(self) -> range:
        """The ordinals of all days, as `datetime.date.toordinal` counts them."""
        return _days(self.first_year, self.last_year)

    @property
    def two_digit_days(self) -> range:
        """The ordinals of the days whose year can be written with two digits; there may be none."""
        first, last = max(self.first_year, TWO_DIGIT_YEARS[0]), min(self.last_year, TWO_DIGIT_YEARS[-1])
        return _days(first, last) if first <= last else range(0)


def _days(first_year: int, last_year: int) -> range:
    return range(datetime.date(first_year, 1, 1).toordinal(), datetime.date(last_year, 12, 31).toordinal() + 1)
