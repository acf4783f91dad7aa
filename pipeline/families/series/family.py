"""The family `series`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.evaluator.settings import Figure, Judging
from components.series.settings import SeriesData, SeriesGateSettings, SeriesSettings
from components.settings import SettingsError
from data.errors import DataError
from pipeline.config.settings import Config
from pipeline.families.family import Draft, Family, Floors, Headline, Section

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_beam_component import BaseBeamComponent

    from pipeline.report.contents import Contents


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesConfig(Config):
    """A task of a user's own series."""

    family: str = "series"
    data: SeriesData
    train: SeriesSettings
    gate: SeriesGateSettings

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.browser.export:
            raise SettingsError(
                f"browser.export: {self.task} forecasts, and there is no page for that; charseq serve has one"
            )


class SeriesFamily(Family):
    """Values at regular times, of which a model forecasts the next. The mean absolute scaled error (MASE) decides."""

    name = "series"
    summary = "forecasts of your own series, such as sales by month"
    config_class = SeriesConfig
    request_fn = "components.series.requests.forecast_requests"

    def settle(self, config: SeriesConfig) -> SeriesConfig:
        """Reads the series: how often they are measured, and what follows from that and from how long they are."""
        from components.series.planning import plan_series

        try:
            return dataclasses.replace(config, data=plan_series(config.data).data)
        except DataError as error:
            raise SettingsError(str(error)) from None

    def example_gen(self, data: SeriesData) -> "BaseBeamComponent":
        """Returns the reader."""
        from components.series.example_gen import SeriesExampleGen

        return SeriesExampleGen(data)

    def transform_arguments(self, config: SeriesConfig) -> dict[str, Any]:
        """Returns the arguments for scaling windows."""
        return {
            "preprocessing_fn": "components.series.transform.preprocessing_fn",
            "custom_config": self._steps(config) | {"seasonal": config.train.seasonal},
        }

    def train_config(self, config: SeriesConfig) -> dict[str, Any]:
        """Returns how long windows are."""
        return self._steps(config)

    def judging(self, config: SeriesConfig) -> Judging:
        """Returns the figures of forecasts."""
        return Judging(
            label="target",
            figures=tuple(
                Figure(name, "components.evaluator.metrics.MeanOutput", {"least": 0.0} | most)
                for name, most in (("mase", {}), ("mean_absolute_error", {}), ("coverage", {"most": 1.0}))
            ),
            mistakes=("components.series.forecasts.Forecasts", "components.series.forecasts.ErrorsByStep"),
            slices=config.gate.slices,
            rule=config.gate.rule,
        )

    def floors(self, config: SeriesConfig) -> Floors:
        """Returns the seasonal naive forecast."""
        return Floors("components.series.floor.floor_fn", json.dumps(self._steps(config), sort_keys=True))

    def draft(self, inputs: tuple[str, ...], data: Mapping[str, str]) -> Draft:
        """Reads the series once and says what is in them."""
        if not inputs:
            raise SettingsError("name the series with --data: files, folders or quoted globs")
        from pipeline.families.series.look import look_at_series

        return look_at_series(inputs, data)

    def headlines(self, contents: "Contents") -> Sequence[Headline]:
        """Returns the error, beside that of the seasonal naive forecast, and the coverage of the interval."""
        evaluation = contents.evaluation
        if evaluation is None:
            return ()
        from pipeline.report import words
        from pipeline.report.figures import describe_headline

        metrics, baseline = evaluation.metrics, evaluation.baseline
        return (
            Headline("MASE", *describe_headline("mase", metrics, baseline, words.number)),
            *(Headline(f"… of {floor.name}", words.number(floor.metrics["mase"])) for floor in evaluation.floors),
            Headline("Values in the interval", *describe_headline("coverage", metrics, baseline, words.percent)),
        )

    def sections(self, contents: "Contents") -> Sequence[Section]:
        """Returns the test forecasts and the errors by step."""
        from pipeline.families.series.report import series_sections

        return series_sections(contents)

    def data_section(self, properties: Mapping[str, Any]) -> str:
        """Returns in words what became of the rows and series."""
        from pipeline.families.series.report import describe_series

        return describe_series(self.describe_data(properties))

    def _steps(self, config: SeriesConfig) -> dict[str, int]:
        return {name: getattr(config.data, name) for name in ("context", "horizon", "season")}


FAMILY = SeriesFamily()
