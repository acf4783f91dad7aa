"""Settings of series: which data, how to train, when a model is good enough."""

import dataclasses
from typing import ClassVar, Literal

from components.evaluator.settings import Rule
from components.settings import SettingsError
from components.trainer.settings import FitSettings, check_least, check_shares
from data.errors import DataError
from data.series.frequency import parse_frequency
from data.series.options import Duplicates, SeriesOptions, series_columns
from data.tables.options import TableOptions

# Windows are held in memory, in several copies.
_LONGEST_CONTEXT = 4_096


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesData:
    """Which series to read, and how they become windows: values that the model reads, and those that follow.

    The splits are divided by time. Each series ends with its test values; before them are those of validation, and before these
    the ones that are learned from. The values that a window forecasts are of one split. Those that it reads may reach back into
    an earlier one: they are in the past when the forecast is made.

    Attributes:
      files: Files, folders, globs or patterns, as of the family `pairs`: CSV, TSV, JSONL or Parquet. All have the same
        columns; a series may be spread over several files.
      time: The column of the times: its name, or its position, 1 for the first. Empty: `time`, `date`, `month` or another usual
        name, or the first column that has times.
      value: The column of the values. Empty: `value`, `y` or `target`, or the only other column that has numbers.
      series: The column that names the series, where the table has many of them below each other. Empty: `unique_id`, `series`
        or another usual name, or the first column of words if times repeat; if there is none, the table has one series.
      time_format: Format of the times, as Python's `strptime` has it, such as `%d.%m.%Y`. Empty: found out; dates that can be
        read in two ways are refused.
      decimal: The decimal mark: `.`, `,`, or `auto`: a comma if the values can be read in no other way.
      frequency: The step of the series: `year`, `quarter`, `month`, `week`, `business day`, `day`, `hour`, `minute`, `second`,
        several such as `15 minutes`, or `step` for times that are counted. `auto`: the step that most times have.
      season: Steps after which the pattern repeats, such as 12 for monthly values; 1 if there is no season. 0: the usual
        season of the frequency, or 1 where the series are too short for it.
      horizon: Steps to forecast. 0: a season, from 6 to 48 steps.
      context: Steps that the model reads, a multiple of `season`. 0: four seasons, or as many as the series are long enough
        for, at least two; 24 without a season.
      test_length: Steps at the end of each series that the model is judged by. A forecast is made from every one of them
        that has a whole horizon before it ends. 0: twice the horizon, which is horizon + 1 forecasts of each series.
      validation_length: Steps before those that decide when to stop and what the Tuner prefers. 0: the horizon.
      step: Steps from one training window to the next.
      duplicates: What becomes of rows of one series that have the same time and different values: `stop`, or take the `first`,
        `last`, `mean` or `sum`. Rows that are equal altogether count once.
      longest_gap: Most steps without a value between two values. They are filled on a straight line, and counted in the
        report; no forecast is judged by a value that was filled.
      header: Whether line 1 of CSV and TSV names the columns: `yes`, `no`, or `auto`.
      delimiter: The character between two fields of CSV and TSV; empty: found out.
      encoding: How the files are encoded, as Python names it.
      on_error: `stop` at the first row or series that cannot be used, or `skip` these; the report counts and lists them.
      most_skipped: Largest share of the rows, and of the series, that may be skipped.
      spans: How many spans of a pattern, the latest.
      windows_per_shard: Windows in one TFRecord file, roughly: the unit of work of a Beam worker.
    """

    files: tuple[str, ...] = dataclasses.field(default=(), metadata={"paths": True})
    time: str = ""
    value: str = ""
    series: str = ""
    time_format: str = ""
    decimal: Literal["auto", ".", ","] = "auto"
    frequency: str = "auto"
    season: int = 0
    horizon: int = 0
    context: int = 0
    test_length: int = 0
    validation_length: int = 0
    step: int = 1
    duplicates: Duplicates = "stop"
    longest_gap: int = 3
    header: Literal["auto", "yes", "no"] = "auto"
    delimiter: str = ""
    encoding: str = "utf-8"
    on_error: Literal["stop", "skip"] = "stop"
    most_skipped: float = 0.01
    spans: int = 1
    windows_per_shard: int = 65_536

    def __post_init__(self) -> None:
        if isinstance(self.files, str):
            raise SettingsError(f"data.files is {self.files!r}; it is a list: ({self.files!r},)")
        if not self.files or not all(self.files):
            raise SettingsError("data.files is empty; name files, a folder or a glob: --set data.files='sales/*.csv'")
        least = {"season": 0, "horizon": 0, "context": 0, "test_length": 0, "validation_length": 0, "longest_gap": 0}
        least |= {"step": 1, "spans": 1, "windows_per_shard": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise SettingsError(f"data.{name} is {getattr(self, name)}; it must be at least {bound}")
        if self.context > _LONGEST_CONTEXT:
            raise SettingsError(
                f"data.context is {self.context:,}; it may be {_LONGEST_CONTEXT:,}, for windows are held in memory"
            )
        if self.season and self.context and (self.context % self.season or self.context < 2 * self.season):
            raise SettingsError(
                f"data.context is {self.context} and data.season {self.season}; the context is two or more whole seasons: "
                f"{max(2, -(-self.context // self.season)) * self.season}"
            )
        if self.horizon:
            for name in ("test_length", "validation_length"):
                if 0 < getattr(self, name) < self.horizon:
                    raise SettingsError(
                        f"data.{name} is {getattr(self, name)}, and data.horizon {self.horizon}; a forecast needs "
                        "as many values to be judged by: raise the first or lower the second"
                    )
        if not 0 <= self.most_skipped < 1:
            raise SettingsError(f"data.most_skipped is {self.most_skipped}; it must be at least 0 and below 1")
        for name, choices in (
            ("decimal", ("auto", ".", ",")),
            ("duplicates", ("stop", "first", "last", "mean", "sum")),
        ):
            if getattr(self, name) not in choices:
                raise SettingsError(f"data.{name} is {getattr(self, name)!r}; it is one of {' '.join(choices)}")
        try:
            _ = self.options
        except DataError as error:
            raise SettingsError(f"data.{error}") from None

    @property
    def options(self) -> SeriesOptions:
        """How the series are read."""
        try:
            frequency = None if self.frequency == "auto" else parse_frequency(self.frequency)
        except DataError as error:
            raise DataError(f"frequency: {error}") from None
        table = TableOptions(
            columns=series_columns(self.time, self.value, self.series),
            header=self.header,
            delimiter=self.delimiter,
            encoding=self.encoding,
            on_error=self.on_error,
        )
        return SeriesOptions(table, self.time_format, self.decimal, frequency, self.duplicates, self.longest_gap)


@dataclasses.dataclass(frozen=True)
class SeriesSettings(FitSettings):
    """How to train a model that forecasts.

    Attributes:
      architecture: `lstm`: an LSTM reads the window, and its last state gives the whole horizon.
      units: Width of the LSTM.
      members: Networks of different initial weights whose forecasts are averaged. They are trained together.
      seasonal: How the season leaves the window before the network reads it, and comes back behind it. `average`: each step
        of the season has the mean of its deviations over the window's seasons, which has less noise than one season has.
        `last`: the last season, so that the network reads seasonal differences and starts from the seasonal naive forecast;
        for seasons that change from year to year. `none`: the network sees the values as they are.
      synthetic: How much made windows count: as many as so many windows of your own that do not overlap. Their share of a
        batch follows: 95% for one monthly series of eleven years, 10% for two hundred such series. With 0 there are no made
        windows. The windows of one series overlap, so they say little about how series go on in general. A network that
        learns from them alone repeats their trend without end, and its intervals are too narrow. Made windows (a trend that
        dies out, a season, noise of all strengths; `components.series.synthetic`) teach it what to expect.
      synthetic_windows: How many are made.
      steps: Batches of an epoch; 0 is as many as the training windows fill.
      dropout: Share of the last state's elements that are dropped in training.
      interval: Share of the values that are to lie in the interval.
    """

    TRAINER: ClassVar[str] = "components.series.trainer"
    SPACE: ClassVar[tuple[str, ...]] = ("learning_rate=1e-3:1e-2", "units=16|32|64", "synthetic=5.0|25.0|100.0")

    architecture: Literal["lstm"] = "lstm"
    units: int = 32
    members: int = 1
    seasonal: Literal["average", "last", "none"] = "average"
    synthetic: float = 25.0
    synthetic_windows: int = 4_000
    steps: int = 100
    dropout: float = 0.0
    interval: float = 0.8
    learning_rate: float = 5e-3
    warmup: float = 0.1
    weight_decay: float = 1e-3
    clip_norm: float = 1.0
    batch_size: int = 64
    epochs: int = 10
    histograms: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, 1, "units", "members", "synthetic_windows")
        check_least(self, 0, "steps", "synthetic")
        check_shares(self, "dropout")
        if not 0 < self.interval < 1:
            raise SettingsError(f"train.interval is {self.interval}; it lies between 0 and 1, such as 0.8")

    def made_rows(self, windows: int, length: int) -> int:
        """Returns how many rows of a batch are made windows.

        Args:
          windows: How many training windows there are.
          length: Steps of a window, what it forecasts included.
        """
        return (
            round(self.batch_size * self.synthetic / (self.synthetic + windows / length))
            if windows
            else self.batch_size
        )


@dataclasses.dataclass(frozen=True)
class SeriesGateSettings:
    """When a model that forecasts is good enough.

    Attributes:
      mase: The largest mean absolute scaled error that is let through: the errors on the test forecasts, divided by those
        that the seasonal naive forecast makes one season ahead before the test (Hyndman and Koehler 2006). 0 asks for none:
        what a good figure is depends on the series.
      largest_rise: The most that it may lie above that of the served version on the same forecasts.
      beat_floor: Whether it must be below that of the seasonal naive forecast.
      slices: Features by whose values results are listed: `series`.
    """

    mase: float = 0.0
    largest_rise: float = 0.02
    beat_floor: bool = True
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("mase", "largest_rise"):
            if getattr(self, name) < 0:
                raise SettingsError(f"gate.{name} is {getattr(self, name)}; it must not be negative")

    @property
    def rule(self) -> Rule:
        """What the gate asks."""
        return Rule(
            "mase", True, self.mase or None, "gate.mase", self.largest_rise, "gate.largest_rise", self.beat_floor
        )
