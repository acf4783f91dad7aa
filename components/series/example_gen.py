"""The ExampleGen of series: reads tables, divides every series by time, and writes windows."""

import json
from typing import Any

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import Artifact, Channel, standard_artifacts

from components.example_gen.component import ExampleGenSpec
from components.example_gen.executor import ShardedExecutor, WriteShard
from components.names import SUMMARY_PROPERTY
from components.series.planning import SeriesPlan, find_series_files, plan_series
from components.series.settings import SeriesData
from components.series.windows import make_examples
from components.settings import SettingsError, from_json, to_json
from data.errors import DataError
from data.files import DataFile, fingerprint
from data.series.reading import Series


class _WriteSeriesShard(WriteShard):
    """Writes the windows of some series."""

    def batches(self, source: list[Series]) -> Any:
        return make_examples(source, from_json(SeriesData, self._data_json))


class Executor(ShardedExecutor):
    """Reads series; a shard is some of them."""

    _plan: SeriesPlan

    def _files(self, data_json: str) -> list[DataFile]:
        return list(find_series_files(from_json(SeriesData, data_json)).files)

    def _write_shards(self, artifact: Artifact, data_json: str) -> None:
        self._plan = plan_series(from_json(SeriesData, data_json))
        artifact.set_string_custom_property(SUMMARY_PROPERTY, json.dumps(self._plan.summarize(), ensure_ascii=False))
        super()._write_shards(artifact, to_json(self._plan.data))

    def _shards(self, data_json: str) -> list[list[Series]]:
        data = from_json(SeriesData, data_json)
        groups: list[list[Series]] = []
        windows = data.windows_per_shard
        for one in self._plan.series:
            if windows >= data.windows_per_shard:
                groups.append([])
                windows = 0
            groups[-1].append(one)
            windows += len(one) // data.step
        return groups

    def _write(self) -> WriteShard:
        return _WriteSeriesShard()


class SeriesExampleGen(BaseBeamComponent):
    """Reads a user's series. Features: those of `components.series.features`."""

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(self, data: SeriesData):
        """Looks which files there are.

        Raises:
          SettingsError: There is no such file.
        """
        try:
            found = find_series_files(data)
        except DataError as error:
            raise SettingsError(str(error)) from None
        super().__init__(
            ExampleGenSpec(
                data=to_json(data),
                fingerprint=fingerprint(found.files),
                examples=Channel(type=standard_artifacts.Examples),
            )
        )
