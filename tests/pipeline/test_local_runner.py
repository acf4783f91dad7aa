"""The local runner's notes in ML Metadata, also when it is interrupted."""

import contextlib
import signal
import sys

import pytest
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline

from components.example_gen.component import SumsExampleGen
from components.example_gen.settings import SumsData
from pipeline.beam.settings import BeamSettings
from pipeline.lineage import Lineage
from pipeline.local.runner import ComponentFailedError, LocalRunner

pytestmark = pytest.mark.model


@pytest.fixture
def metadata_path(tmp_path):
    return str(tmp_path / "metadata.sqlite")


@pytest.fixture
def pipeline(tmp_path, metadata_path):
    return Pipeline(
        pipeline_name="sums",
        pipeline_root=str(tmp_path / "artifacts"),
        components=[SumsExampleGen(SumsData(count=100, test_fraction=0.5, validation_fraction=0.2))],
        metadata_connection_config=sqlite_metadata_connection_config(metadata_path),
        beam_pipeline_args=BeamSettings().pipeline_args,
        enable_cache=True,
    )


def record(runner, metadata_path):
    return Lineage(metadata_path).find(runner.run_id)


def test_a_commands_own_arguments_are_not_taken_for_flags_of_the_libraries(pipeline, monkeypatch):
    arguments = ["charseq", "-v", "run", "sums"]  # to absl, -v is a number: its verbosity
    monkeypatch.setattr("sys.argv", arguments)
    runner = LocalRunner()
    runner.run(pipeline)
    assert list(runner.seconds) == ["SumsExampleGen"]
    assert sys.argv is arguments


@pytest.mark.parametrize("swallowed", [False, True])
def test_an_interrupt_ends_the_run_even_if_a_library_swallows_it(pipeline, metadata_path, monkeypatch, swallowed):
    launch = LocalRunner._launch

    def interrupt(self, *arguments):
        cached = launch(self, *arguments)
        with contextlib.suppress(KeyboardInterrupt) if swallowed else contextlib.nullcontext():
            signal.raise_signal(signal.SIGINT)
        return cached

    monkeypatch.setattr(LocalRunner, "_launch", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    runner = LocalRunner(notes={"config": {"task": "sums"}})
    with pytest.raises(KeyboardInterrupt):
        runner.run(pipeline)
    assert signal.getsignal(signal.SIGINT) is handler
    run = record(runner, metadata_path)
    assert (run.result, run.notes["interrupted"]) == ("interrupted", "SumsExampleGen")
    assert {name: part.state for name, part in run.components.items()} == {"SumsExampleGen": "interrupted"}
    # What it made is not taken for whole, though it looks so.
    monkeypatch.undo()
    again = LocalRunner()
    again.run(pipeline)
    assert record(again, metadata_path).components["SumsExampleGen"].state == "done"


def test_a_component_that_fails_leaves_its_error(pipeline, metadata_path, monkeypatch):
    def fail(self, *arguments):
        raise OSError("no space left on the device")

    monkeypatch.setattr(LocalRunner, "_launch", fail)
    runner = LocalRunner()
    with pytest.raises(ComponentFailedError, match="no space left"):
        runner.run(pipeline)
    run = record(runner, metadata_path)
    assert run.result == "failed"
    assert run.reasons == ["SumsExampleGen failed: no space left on the device"]
