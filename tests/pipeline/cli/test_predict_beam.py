"""`charseq predict` as a Beam job: it writes what the command writes in its own process."""

import gzip
import subprocess

import pytest

from pipeline.beam.settings import BeamSettings
from pipeline.predict import beam_job
from tests.pipeline.cli.tables import read_table
from tests.pipeline.conftest import CHARSEQ

pytestmark = pytest.mark.e2e


@pytest.fixture
def beam(monkeypatch):
    """Options for a Beam job on this machine, with parts of a few rows."""
    monkeypatch.setattr("pipeline.predict.beam_job.PART_BYTES", 10_000)
    return ["--set", "beam.workers=1"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_beam_job_writes_the_table_that_this_process_writes(ask, models, sums, tmp_path, beam, ending):
    shared = ["--input", sums, "--column", "raw", "--model-dir", models / "sums", "--with-version"]
    assert ask(*shared, "--output", tmp_path / f"here.{ending}").exit_code == 0
    result = ask(*shared, "--output", tmp_path / f"beam.{ending}", *beam)
    assert result.exit_code == 0, result.stderr
    assert read_table(tmp_path / f"beam.{ending}") == read_table(tmp_path / f"here.{ending}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"beam.{ending}", f"here.{ending}"]


def test_workers_of_a_beam_job_need_to_see_its_temp_location_alone(ask, models, sums, tmp_path, beam, monkeypatch):
    packed = tmp_path / "sums.csv.gz"
    packed.write_bytes(gzip.compress(sums.read_bytes()))
    shared = ["--column", "raw", "--model-dir", models / "sums"]
    assert ask("--input", sums, *shared, "--output", tmp_path / "here.csv").exit_code == 0
    temp = tmp_path / "shared"
    temp.mkdir()
    # A runner on a cluster reads temp_location; the one here runs the same job.
    settings = BeamSettings(runner="flink", job_server="localhost:1", temp_location=str(temp))
    monkeypatch.setattr(BeamSettings, "job_args", property(lambda _: BeamSettings().pipeline_args))
    monkeypatch.setattr("pipeline.cli.predict._beam_settings", lambda _: settings)
    run_here, seen = beam_job._run, []

    def run(*job):
        (folder,) = temp.iterdir()
        seen.append(sorted(path.name for path in folder.iterdir()))
        run_here(*job)

    monkeypatch.setattr(beam_job, "_run", run)
    result = ask("--input", packed, *shared, "--output", tmp_path / "beam.csv", *beam)
    assert result.exit_code == 0, result.stderr
    assert seen == [["input-0-sums.csv.gz", "sums"]]
    assert (tmp_path / "beam.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert list(temp.iterdir()) == []


def test_a_beam_job_writes_each_text_with_its_own_seed(ask, models, tmp_path, beam):
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\n" + "".join(f"{'abc'[n % 3]}\n" for n in range(3_000)))
    shared = ["--input", path, "--column", "prompt", "--model-dir", models / "text", "--length", "5", "--seed", "7"]
    assert ask(*shared, "--output", tmp_path / "here.csv").exit_code == 0
    result = ask(*shared, "--output", tmp_path / "beam.csv", *beam)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "beam.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


@pytest.mark.parametrize("on_error", ["stop", "skip", "mark"])
def test_bad_rows_of_a_beam_job_are_those_of_this_process(ask, models, tmp_path, beam, on_error):
    path = tmp_path / "sums.csv"
    path.write_text("raw\n" + "".join(f"{'x' if n % 700 == 600 else f'{n}+1'}\n" for n in range(3_000)))
    shared = ["--input", path, "--column", "raw", "--model-dir", models / "sums", "--on-error", on_error]
    here = ask(*shared, "--output", tmp_path / "here.csv")
    job = ask(*shared, "--output", tmp_path / "beam.csv", *beam)
    assert here.exit_code == job.exit_code == (2 if on_error == "stop" else 0)
    assert "line 602: " in job.stderr
    if on_error == "stop":
        assert not (tmp_path / "beam.csv").exists()
    else:
        assert (tmp_path / "beam.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "a.csv", "--set", "beam.runner=flink"], "beam.runner=flink needs one of beam.job_server"),
        (["--output", "a.csv", "--set", "train.epochs=1"], "no section 'train'"),
        (["--set", "beam.workers=2"], "with files as --input and --output"),
    ],
)
def test_what_beam_cannot_do_ends_with_a_reason(models, sums, tmp_path, arguments, said):
    command = [CHARSEQ, "predict", "--input", sums, "--column", "raw", "--model-dir", models / "sums", *arguments]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
