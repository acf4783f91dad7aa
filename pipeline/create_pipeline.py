"""The one place where the components are wired: the same graph for the local runner, the tfx command and Kubeflow."""

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
from components.example_gen.splits import TRAIN_SPLIT, VALIDATION_SPLIT
from components.example_validator.component import ExampleValidator
from components.floor.component import Floor
from components.infra_validator.component import InfraValidator
from components.names import FLOOR_KEY
from components.pusher.component import Pusher
from components.settings import to_values
from components.statistics_gen.component import StatisticsGen
from components.transform.component import Transform
from pipeline.config.settings import Config
from pipeline.families import find_family
from pipeline.lineage import connection_config
from pipeline.places import Places


def create_pipeline(config: Config, places: Places) -> Pipeline:
    """Returns the pipeline of a task, from examples to a pushed version."""
    family = find_family(config.family)
    model_dir = places.model_dir(config.task)

    example_gen, schema_gen, transform = create_data_components(config)
    examples, schema = example_gen.outputs["examples"], schema_gen.outputs["schema"]
    statistics_gen = StatisticsGen(examples, schema, family.statistics_options())
    baseline = Baseline(model_dir)
    example_validator = ExampleValidator(
        statistics_gen.outputs["statistics"], schema, baseline.outputs["model"], config.validate.check_drift
    )
    # Bad data must not be trained on, but no artifact of the validator's goes into Transform.
    transform.add_upstream_node(example_validator)
    floors = family.floors(config)
    floor = [Floor(examples, *floors)] if floors else []
    train_config = family.train_config(config) | {"train": to_values(family.train_settings(config))}
    tuner = _create_tuner(config, transform, train_config)
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
        transform_graph=transform.outputs["transform_graph"],
        # Only then: the baseline is another artifact in every run, and a training that has it is never cached.
        base_model=baseline.outputs["model"] if config.train.warm_start else None,
        train_args=trainer_pb2.TrainArgs(splits=[TRAIN_SPLIT]),
        eval_args=trainer_pb2.EvalArgs(splits=[VALIDATION_SPLIT]),
        run_fn=f"{config.train.TRAINER}.run_fn",
        custom_config=train_config | {"checkpoint_root": places.checkpoints(config.task)},
    )
    model = trainer.outputs["model"]
    evaluator = Evaluator(
        examples,
        model,
        baseline.outputs["model"],
        schema,
        family.judging(config),
        floor[0].outputs[FLOOR_KEY] if floor else None,
    )
    infra_validator = InfraValidator(
        model, examples, config.infra, config.task, list(places.server_command), family.request_fn
    )
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
        browser_model = [BrowserModel(pusher.outputs["pushed_model"], config.task, config.browser)]
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
            *floor,
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
    family = find_family(config.family)
    example_gen = family.example_gen(config.data)
    schema_gen = ImportSchemaGen(family.schema_path)
    transform = Transform(
        example_gen.outputs["examples"],
        schema_gen.outputs["schema"],
        **family.transform_arguments(config),
        # ExampleValidator has looked at the data already; these would triple Transform's time.
        disable_statistics=True,
        disable_analyzer_cache=True,
    )
    for component in (example_gen, transform):
        component.with_beam_pipeline_args(config.beam.component_args(component.id))
    return example_gen, schema_gen, transform


def _create_tuner(config: Config, transform: Transform, train_config: dict[str, Any]) -> list[BaseComponent]:
    """Returns the Tuner, or none."""
    if not config.tune.trials:
        return []
    from tfx.components.tuner.component import Tuner  # takes a second that most runs need not

    tuner = Tuner(
        tuner_fn="components.tuner.tuner.tuner_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=[TRAIN_SPLIT]),
        eval_args=trainer_pb2.EvalArgs(splits=[VALIDATION_SPLIT]),
        custom_config=train_config | {"tune": to_values(config.tune), "trainer": config.train.TRAINER},
    )
    return [tuner]
