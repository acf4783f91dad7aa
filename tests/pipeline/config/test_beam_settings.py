"""Where Beam's jobs run: the settings, what they refuse, and which components they reach."""

import contextlib

import pytest
from apache_beam.options.pipeline_options import (
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)
from hypothesis import given
from hypothesis import strategies as st

from components.settings import SettingsError
from pipeline.beam.settings import BeamSettings
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task
from pipeline.create_pipeline import create_pipeline
from pipeline.places import Places

FLINK = {"runner": "flink", "job_server": "jobs:8099"}
DATAFLOW = {
    "runner": "dataflow",
    "project": "p",
    "region": "europe-west4",
    "temp_location": "gs://bucket/beam",
    "image": "registry/charseq:0.1.0-dataflow",
}


def parsed(settings, component="Transform"):
    """The arguments of a component as Beam reads them."""
    return PipelineOptions(settings.pipeline_args + settings.component_args(component))


def test_by_default_everything_runs_here_in_this_process():
    assert BeamSettings().component_args("Transform") == []
    assert parsed(BeamSettings()).view_as(StandardOptions).runner == "FnApiRunner"
    assert parsed(BeamSettings(workers=0)).view_as(StandardOptions).runner == "pipeline.beam.runner.WorkerProcessRunner"
    assert parsed(BeamSettings(workers=3)).view_as(DirectOptions).direct_num_workers == 3


def test_flink_by_a_job_server():
    options = parsed(
        BeamSettings(**FLINK, worker_pool="localhost:1", parallelism=4, options=("sdk_worker_parallelism=2",))
    )
    assert options.view_as(StandardOptions).runner == "PortableRunner"
    portable = options.view_as(PortableOptions)
    assert (portable.job_endpoint, portable.environment_type) == ("jobs:8099", "EXTERNAL")
    assert (portable.environment_config, int(portable.sdk_worker_parallelism)) == ("localhost:1", 2)
    assert options.view_as(FlinkRunnerOptions).parallelism == 4


def test_flink_and_spark_by_their_masters():
    options = parsed(BeamSettings(runner="flink", flink_master="host:8081", job_server_jar="a.jar"))
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    flink = options.view_as(FlinkRunnerOptions)
    assert (flink.flink_master, flink.flink_job_server_jar, flink.parallelism) == ("host:8081", "a.jar", -1)
    args = BeamSettings(runner="spark", spark_master="spark://host:7077").component_args("SumsExampleGen")
    assert {"--runner=SparkRunner", "--spark_master_url=spark://host:7077"} <= set(args)


def test_dataflow():
    options = parsed(BeamSettings(**DATAFLOW, options=("worker_machine_type=n2-standard-4",)))
    assert options.view_as(StandardOptions).runner == "DataflowRunner"
    cloud = options.view_as(GoogleCloudOptions)
    assert (cloud.project, cloud.region, cloud.temp_location) == ("p", "europe-west4", "gs://bucket/beam")
    workers = options.view_as(WorkerOptions)
    assert workers.sdk_container_image == "registry/charseq:0.1.0-dataflow"
    assert workers.machine_type == "n2-standard-4"
    assert not options.view_as(SetupOptions).save_main_session


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"runner": "direct"}, "beam.runner is 'direct'; it is one of local, flink, spark, dataflow"),
        ({"runner": "flink"}, "needs one of beam.job_server=HOST:PORT .* and beam.flink_master=HOST:PORT"),
        ({"runner": "spark"}, "needs one of beam.job_server=HOST:PORT .* and beam.spark_master=spark://HOST:PORT"),
        (FLINK | {"flink_master": "host:8081"}, "needs one of"),
        (FLINK | {"job_server_jar": "a.jar"}, "beam.job_server_jar is of no use with beam.job_server"),
        (FLINK | {"job_server": "http://jobs:8099"}, "beam.job_server is 'http://jobs:8099'; it is HOST:PORT"),
        (FLINK | {"worker_pool": ""}, "beam.worker_pool is empty"),
        ({"runner": "spark", "spark_master": "host:7077"}, "beam.spark_master is 'host:7077'; it is a URL"),
        (FLINK | {"project": "p"}, "beam.project is of no use with beam.runner=flink: set beam.runner=dataflow"),
        (
            {"job_server": "jobs:8099"},
            "beam.job_server is of no use with beam.runner=local: set beam.runner=flink or spark",
        ),
        (
            FLINK | {"components": ("Evaluator",)},
            "beam.components: 'Evaluator' runs on this machine only; there are ExampleGen, Transform",
        ),
        (FLINK | {"options": ("--a=b",)}, "'--a=b' is not name=value, such as .* \\(without dashes\\)"),
        (FLINK | {"parallelism": -1}, "beam.parallelism is -1"),
        ({"workers": -1}, "beam.workers is -1"),
        (DATAFLOW | {"region": ""}, "beam.runner=dataflow needs beam.region, such as europe-west4"),
        (DATAFLOW | {"temp_location": "/beam"}, "Dataflow's workers see only gs://"),
    ],
)
def test_what_is_missing_or_of_no_use_is_refused(settings, said):
    with pytest.raises(SettingsError, match=said):
        BeamSettings(**settings)


@pytest.mark.e2e
def test_a_run_says_so_with_status_2(charseq, tmp_path):
    result = charseq("run", "--set", "beam.runner=flink", cwd=tmp_path)
    assert result.status == 2
    assert "beam.runner=flink needs one of beam.job_server=HOST:PORT" in result.stderr


@given(st.text())
def test_any_text_is_a_setting_or_a_settings_error(text):
    for assignment in (f"beam.runner={text}", f"beam.job_server={text}", f"beam.options={text}"):
        with contextlib.suppress(SettingsError):
            override(load_task("sums"), ["beam.runner=flink", "beam.job_server=jobs:1", assignment])


@pytest.mark.parametrize(("task", "example_gen"), [("sums", "SumsExampleGen"), ("text", "TextExampleGen")])
def test_the_components_named_go_to_the_cluster_and_no_others(task, example_gen):
    settings = ["beam.runner=flink", "beam.job_server=jobs:8099"]
    for names, expected in (((), {example_gen, "Transform"}), (("beam.components=ExampleGen",), {example_gen})):
        graph = create_pipeline(override(load_task(task), [*settings, *names]), Places("/nowhere"))
        there = {
            component.id
            for component in graph.components
            if "--runner=PortableRunner" in getattr(component.executor_spec, "beam_pipeline_args", [])
        }
        assert there == expected
    graph = create_pipeline(load_task(task), Places("/nowhere"))
    assert all(
        "--runner=PortableRunner" not in getattr(c.executor_spec, "beam_pipeline_args", []) for c in graph.components
    )
