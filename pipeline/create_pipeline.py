"""The one place where the components are wired: the same graph for the local runner, the tfx command and Kubeflow."""

import os
from typing import Any

from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.trainer.component import Trainer
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2

from components.baseline.component import Baseline
from components.browser.component import BrowserModel
from components.evaluator.component import Evaluator
from components.example_gen.component import PairsExampleGen, SumsExampleGen, TextExampleGen
from components.example_gen.settings import PairsData, SumsData, TextData
from components.example_validator.component import ExampleValidator
from components.infra_validator.component import InfraValidator
from components.ngram.component import NgramModel
from components.pusher.component import Pusher
from components.settings import to_json
from components.statistics_gen.component import StatisticsGen
from components.tfx_libraries import tfdv
from components.transform.component import Transform
from pipeline.config import Config
from pipeline.lineage import connection_config
from pipeline.places import Places

_SCHEMAS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "components", "schema")

_EXAMPLE_GENS = {SumsData: SumsExampleGen, PairsData: PairsExampleGen, TextData: TextExampleGen}


def create_pipeline(config: Config, places: Places) -> Pipeline:
    """Returns the pipeline of a task, from examples to a pushed version."""
    model_dir = places.model_dir(config.task)

    example_gen, schema_gen, transform = create_data_components(config)
    examples, schema = example_gen.outputs["examples"], schema_gen.outputs["schema"]
    statistics_gen = StatisticsGen(examples, schema, _statistics_options(config))
    baseline = Baseline(model_dir)
    example_validator = ExampleValidator(
        statistics_gen.outputs["statistics"], schema, baseline.outputs["model"], config.validate.check_drift
    )
    # Bad data must not be trained on, but no artifact of the validator's goes into Transform.
    transform.add_upstream_node(example_validator)
    tuner = _create_tuner(config, transform)
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(),
        eval_args=trainer_pb2.EvalArgs(),
        **_trainer_arguments(config, places),
    )
    model = trainer.outputs["model"]
    evaluator = Evaluator(examples, model, baseline.outputs["model"], schema, config.gate)
    infra_validator = InfraValidator(model, examples, config.infra, config.task, list(places.server_command))
    pusher = Pusher(
        model,
        evaluator.outputs["blessing"],
        infra_validator.outputs["blessing"],
        statistics_gen.outputs["statistics"],
        model_dir,
        config.rollout,
    )
    browser_model = []
    if config.browser.export:
        graph = transform.outputs["transform_graph"]
        browser_model = [BrowserModel(pusher.outputs["pushed_model"], graph, config.task, config.browser)]
    ngram = [NgramModel(examples, config.ngram)] if isinstance(config.data, TextData) else []
    return Pipeline(
        pipeline_name=config.task,
        pipeline_root=places.artifacts(config.task),
        components=[
            example_gen,
            schema_gen,
            statistics_gen,
            baseline,
            example_validator,
            transform,
            *ngram,
            *tuner,
            trainer,
            evaluator,
            infra_validator,
            pusher,
            *browser_model,
        ],
        enable_cache=config.run.cache,
        metadata_connection_config=connection_config(places.metadata_path),
        beam_pipeline_args=config.beam.pipeline_args,
    )


def create_data_components(config: Config) -> tuple[BaseBeamComponent, ImportSchemaGen, Transform]:
    """Returns the components that make what a task trains on: ExampleGen, the schema, and Transform."""
    example_gen = _EXAMPLE_GENS[type(config.data)](config.data)
    schema_gen = ImportSchemaGen(os.path.join(_SCHEMAS, config.kind, "schema.pbtxt"))
    transform = Transform(
        example_gen.outputs["examples"],
        schema_gen.outputs["schema"],
        **_transform_arguments(config),
        # ExampleValidator has looked at the data already; these would triple Transform's time.
        disable_statistics=True,
        disable_analyzer_cache=True,
    )
    for component in (example_gen, transform):
        component.with_beam_pipeline_args(config.beam.component_args(component.id))
    return example_gen, schema_gen, transform


def _statistics_options(config: Config) -> tfdv.StatsOptions | None:
    """Returns how the statistics of a task's examples are computed."""
    if not isinstance(config.data, TextData):
        return None
    # Otherwise every different window is held in memory; with it, what the schema says is no category is not counted.
    return tfdv.StatsOptions(use_sketch_based_topk_uniques=True)


def _transform_arguments(config: Config) -> dict[str, Any]:
    """Returns what Transform does with the examples of a task."""
    if isinstance(config.data, TextData):
        return {"preprocessing_fn": "components.transform.text.preprocessing_fn"}
    return {
        "preprocessing_fn": "components.transform.preprocessing.preprocessing_fn",
        "custom_config": {"input_length": config.data.input_length, "output_length": config.data.output_length},
    }


def _trainer_arguments(config: Config, places: Places) -> dict[str, Any]:
    """Returns how the Trainer trains the model of a task."""
    family = "components.trainer.language_model" if isinstance(config.data, TextData) else "components.trainer"
    custom_config = _family_config(config) | {"checkpoint_root": places.checkpoints(config.task)}
    return {"run_fn": f"{family}.trainer.run_fn", "custom_config": custom_config}


def _family_config(config: Config) -> dict[str, Any]:
    """Returns what Trainer and Tuner have to know of a task."""
    train = {"train": to_json(config.train)}
    return train | {"window": config.data.context} if isinstance(config.data, TextData) else train


def _create_tuner(config: Config, transform: Transform) -> list[BaseComponent]:
    """Returns the Tuner, or none."""
    if not config.tune.trials:
        return []
    from tfx.components.tuner.component import Tuner  # takes a second that most runs need not

    tuner = Tuner(
        tuner_fn="components.tuner.tuner.tuner_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(),
        eval_args=trainer_pb2.EvalArgs(),
        custom_config=_family_config(config) | {"tune": to_json(config.tune)},
    )
    return [tuner]
