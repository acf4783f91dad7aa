"""The components up to Transform: ours, or TFX's own on the same rows."""

import contextlib
import json
from typing import Any
from unittest import mock

from tfx.components.example_gen.component import QueryBasedExampleGen
from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import example_gen_pb2

from benchmarks.peers.stock_executor import StockExecutor
from pipeline.config.settings import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.families import find_family
from pipeline.local.runner import LocalRunner
from pipeline.places import Places
from pipeline.run_observer import RunObserver


class _TransformedError(Exception):
    """Transform is done, and what comes after is no concern of this measurement."""


def run(settings: dict[str, Any], config: Config, places: Places) -> dict[str, float]:
    """Runs the components of `settings["side"]` and returns the seconds of each."""
    family = find_family(config.family)
    floors = (
        contextlib.nullcontext()
        if settings.get("floor", True)
        else mock.patch.object(family, "floors", return_value=None)
    )
    with floors:
        pipeline = create_pipeline(config, places)
    if settings["side"] != "ours":
        pipeline = _stock_pipeline(settings, pipeline, places)
    runner = LocalRunner(_StopAfterTransform())
    with contextlib.suppress(_TransformedError):
        runner.run(pipeline)
    return runner.seconds


class _StopAfterTransform(RunObserver):
    def on_done(self, component: str, seconds: float, cached: bool) -> None:
        if component == "Transform":
            raise _TransformedError


def _stock_pipeline(settings: dict[str, Any], ours: Pipeline, places: Places) -> Pipeline:
    """Returns the same components as TFX has them, by their defaults, with its CsvExampleGen or an executor as by its guide."""
    splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=n) for name, n in (("train", 9), ("eval", 1))]
    output = example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))
    example_gen: BaseComponent
    if settings["side"] == "csv":
        example_gen = CsvExampleGen(settings["csv"], output_config=output)
    else:
        single = example_gen_pb2.Input.Split(name="single", pattern=str(settings["data"]["count"]))
        example_gen = QueryBasedExampleGen(
            example_gen_pb2.Input(splits=[single]), output, custom_executor_spec=BeamExecutorSpec(StockExecutor)
        )
    examples = example_gen.outputs["examples"]
    named = {component.id: component.exec_properties for component in ours.components}
    schema_gen = ImportSchemaGen(named["ImportSchemaGen"]["schema_file"])
    return Pipeline(
        pipeline_name="stock",
        pipeline_root=places.artifacts("stock"),
        components=[
            example_gen,
            schema_gen,
            StatisticsGen(examples, schema_gen.outputs["schema"]),
            Transform(
                examples,
                schema_gen.outputs["schema"],
                preprocessing_fn=named["Transform"]["preprocessing_fn"],
                custom_config=json.loads(named["Transform"]["custom_config"]),
            ),
        ],
        enable_cache=False,
        metadata_connection_config=sqlite_metadata_connection_config(places.metadata_path),
        beam_pipeline_args=[*ours.beam_pipeline_args, "--runner=benchmarks.peers.stock_executor.StockRunner"],
    )
