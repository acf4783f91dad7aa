"""The entry point of a step: where artifacts lie, and what a run may change."""

import json

import pytest

from components.settings import SettingsError
from pipeline.kubeflow.entrypoint import main
from pipeline.kubeflow.graph import places_of
from pipeline.kubeflow.local_paths import ArtifactUriError, LocalPaths


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://bucket/a/b", "/gcs/bucket/a/b"),
        ("s3://bucket/a b", "/s3/bucket/a b"),
        ("minio://mlpipeline/v2/artifacts/x", "/minio/mlpipeline/v2/artifacts/x"),
    ],
)
def test_an_artifact_of_any_object_store_has_a_copy_and_the_way_back(uri, path):
    assert LocalPaths().to_path(uri) == path
    assert LocalPaths().to_uri(path) == uri
    assert LocalPaths("/elsewhere").to_path(uri) == f"/elsewhere{path}"
    assert LocalPaths("/elsewhere").to_uri(f"/elsewhere{path}") == uri


@pytest.mark.parametrize("uri", ["oci://registry/model", "/tmp/model", "", "http://host/model"])
def test_what_the_launcher_does_not_copy_is_an_error_that_names_it(uri):
    with pytest.raises(ArtifactUriError, match="the launcher keeps copies of gs://, s3://, minio://"):
        LocalPaths().to_path(uri)


def test_an_output_outside_of_the_launchers_folders_would_be_lost():
    with pytest.raises(ArtifactUriError, match="would not be uploaded"):
        LocalPaths().to_uri("/tmp/model")


def test_a_run_may_change_settings_and_every_step_gets_what_follows_from_them():
    from pipeline.kubeflow.rebuild import rebuild_parameters

    places = places_of("/charseq", "/charseq/serving")
    settings = "train.epochs=3 data.largest=9 data.count=81"
    trainer = rebuild_parameters("trainer", "sums", places, settings)
    assert json.loads(trainer["custom_config"].string_value)["train"]["epochs"] == 3
    transform = rebuild_parameters("transform", "sums", places, settings)
    assert json.loads(transform["custom_config"].string_value)["input_length"] == len("9+9")
    with pytest.raises(SettingsError, match="has no 'epoch'; did you mean"):
        rebuild_parameters("trainer", "sums", places, "train.epoch=3")
    with pytest.raises(SettingsError, match="part of the compiled pipeline .* compile it again"):
        rebuild_parameters("trainer", "sums", places, "beam.workers=4")
    with pytest.raises(SettingsError, match="has no step 'tuner'"):
        rebuild_parameters("tuner", "sums", places, "train.epochs=3")


def test_a_run_that_changes_settings_makes_nothing_where_a_step_has_no_volume(tmp_path):
    from pipeline.kubeflow.rebuild import rebuild_parameters

    rebuild_parameters("transform", "sums", places_of(str(tmp_path / "charseq"), ""), "train.epochs=3")
    assert list(tmp_path.iterdir()) == []


def run_baseline(tmp_path, settings):
    """Runs the step `baseline` in this process as its container would; returns the status and the executor's output."""
    model_dir = tmp_path / "serving" / "sums"
    output_file = tmp_path / "out" / "output_metadata.json"
    artifact = {
        "name": "model",
        "uri": "s3://b/run/model",
        "type": {"instanceSchema": "title: tfx.Model\ntype: object\n"},
    }
    log = {"name": "executor-logs", "uri": "s3://b/run/executor-logs-0", "type": {"schemaTitle": "system.Artifact"}}
    executor_input = {
        "inputs": {"parameterValues": {"model_dir": str(model_dir), "pipelinechannel--settings": settings}},
        "outputs": {
            "artifacts": {"model": {"artifacts": [artifact]}, "executor-logs": {"artifacts": [log]}},
            "outputFile": str(output_file),
        },
    }
    parameters = {name: {"parameterType": "STRING"} for name in ("model_dir", "pipelinechannel--settings")}
    arguments = [
        f"--artifact_root={tmp_path / 'pod'}",
        "--step=baseline",
        "--outputs=model",
        "--task=sums",
        f"--root={tmp_path}",
    ]
    arguments += [
        f"--serving_dir={tmp_path / 'serving'}",
        "--executor_class_path=components.baseline.component.Executor",
    ]
    arguments += ["--json_serialized_invocation_args", json.dumps(executor_input)]
    arguments += ["--json_serialized_inputs_spec_args", json.dumps({"parameters": parameters}), "--runner=FnApiRunner"]
    status = main(arguments)
    return status, json.loads(output_file.read_text()) if output_file.exists() else None


def test_a_step_reads_and_writes_the_launchers_copies_and_speaks_of_uris(tmp_path):
    version = tmp_path / "serving" / "sums" / "7"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"model")
    status, output = run_baseline(tmp_path, "")
    assert status == 0
    assert set(output["artifacts"]) == {"model"}, "what is Kubeflow's own is left to Kubeflow"
    (model,) = output["artifacts"]["model"]["artifacts"]
    assert model["uri"] == "s3://b/run/model"
    assert model["metadata"]["version"] == "7"
    (copy,) = (tmp_path / "pod" / "s3" / "b" / "run" / "model").rglob("saved_model.pb")
    assert copy.read_bytes() == b"model"
    assert run_baseline(tmp_path, "train.epochs=3")[0] == 0


def test_a_runs_settings_that_cannot_be_used_end_the_step_with_status_2(tmp_path, capsys):
    status, output = run_baseline(tmp_path, "train.epoch=3")
    assert (status, output) == (2, None)
    assert (
        "Error: the run's parameter `settings`: --set 'train.epoch=3': train has no 'epoch'" in capsys.readouterr().err
    )
