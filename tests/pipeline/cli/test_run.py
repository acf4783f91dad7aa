"""`charseq run`, `serve` and `predict` end to end: real processes, and what came out."""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from charseq_client import Client
from tests.pipeline.conftest import CHARSEQ, QUICK, serving
from tests.pipeline.tiny import write_tiny_task
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e

COMPONENTS = [
    "Baseline",
    "ImportSchemaGen",
    "SumsExampleGen",
    "StatisticsGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Evaluator",
    "InfraValidator",
    "Pusher",
]


@pytest.fixture(scope="module")
def server(first_run, place):
    """A server of what the first run pushed; its address."""
    with serving(place / "serving") as address:
        yield address


def versions(place):
    return sorted(int(name) for name in os.listdir(place / "serving" / "sums") if name.isdecimal())


def test_a_run_says_everything_in_one_json_object(first_run, place):
    result = first_run.json
    assert result["task"] == "sums"
    assert result["blessed"] is True
    assert result["reasons"] == []
    assert result["serving_dir"] == str(place / "serving")
    assert list(result["seconds"]) == COMPONENTS
    assert result["metrics"]["examples"] > 1_000
    assert 0 < result["metrics"]["exact_match"] <= 1
    assert versions(place)[0] == result["pushed_version"] == result["served_version"]
    report = Path(result["report"]).read_text()
    assert "sums" in report
    assert "The largest gap is at" in report


def test_the_trainer_leaves_curves_history_diagram_logs_and_models(first_run, place):
    run_dir = min((place / "artifacts" / "sums" / "Trainer" / "model_run").iterdir(), key=lambda path: int(path.name))
    left = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*") if path.is_file()}
    assert {"curves.png", "model.png", "history.json", "predictions.json", "model.keras", "model.h5"} <= left
    assert any("events.out.tfevents" in path for path in left)
    history = json.loads((run_dir / "history.json").read_text())
    assert len(history["epochs"]) == 4
    predictions = json.loads((run_dir / "predictions.json").read_text())
    assert len(predictions) == 40
    assert all(eval(sample["expression"]) == int(sample["answer"]) for sample in predictions)
    assert list((place / "checkpoints").rglob("*.npz")) == []


def test_a_pushed_version_carries_what_others_need_beside_the_model(first_run, place):
    extra = place / "serving" / "sums" / str(first_run.json["pushed_version"]) / "assets.extra"
    assert sorted(os.listdir(extra)) == [
        "FeatureStats.pb",
        "RequestStats.pb",
        "numeric.json",
        "tf_serving_warmup_requests",
        "weights.npz",
    ]


def test_what_a_server_logs_is_compared_with_the_training_data(charseq, first_run, place, tmp_path):
    model = place / "serving" / "sums"
    collector = f'log_collector_config {{ type: "tfrecord" filename_prefix: "{tmp_path}/log" }}'
    logging = f"logging_config {{ {collector} sampling_config {{ sampling_rate: 1 }} }}"
    entry = f'name: "sums" base_path: "{model}" model_platform: "tensorflow" {logging}'
    (tmp_path / "models.config").write_text(f"model_config_list {{ config {{ {entry} }} }}")
    chance = random.Random(1)
    with running_server(tmp_path, f"--model_config_file={tmp_path / 'models.config'}") as server:
        with Client(server.target) as client:
            for _ in range(20):
                sums = [f"{chance.randint(1, 100)}+{chance.randint(1, 100)}" for _ in range(50)]
                client.predict({"text": sums}, model="sums")
        assert server.terminate() == 0
    found = charseq("requests", "compare", tmp_path / "log", "--model-dir", model, "--json")
    assert found.status == 0, found.stdout + found.stderr
    assert (found.json["rows"], found.json["new_characters"]) == (1000, [])
    assert {part["feature"] for part in found.json["differences"]} == {"text_length", "text_characters"}


def test_predict_answers_a_line_for_each_text(charseq, server, first_run):
    result = charseq("predict", "--server", server, "1+2", "12+34")
    assert result.status == 0
    assert len(result.stdout.splitlines()) == 2
    answer = charseq("predict", "--server", server, "12+34", "--json").json
    assert answer["model"] == "sums"
    assert answer["version"] >= first_run.json["pushed_version"]
    (prediction,) = answer["predictions"]
    assert prediction["input"] == "12+34"
    assert prediction["output"].isdecimal()
    assert prediction["log_prob"] < 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1a+2", "text[0]: character `a` (U+0061) at position 2 is unknown"),
        ("", "text[0] is empty"),
        ("1" * 10_000, "text[0] has 10000 characters: this model reads at most 7"),
        (b"1+\xff", "text[0]: what stands at character 3 is not UTF-8"),
    ],
)
def test_predict_refuses_bad_input_in_one_line(charseq, server, text, said):
    for extra in ([], ["--json"]):
        command = [CHARSEQ, "predict", "--server", server, text, *extra]
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert completed.returncode == 2
        assert completed.stdout == ""
        (line,) = completed.stderr.splitlines()
        assert said in line


def test_models_are_listed_with_state_and_the_version_for_everyone(charseq, server, first_run, place):
    (model,) = charseq("models", "--json", "--serving-dir", place / "serving", "--server", server).json["models"]
    pushed = first_run.json["pushed_version"]
    assert (model["name"], model["stable"], model["pinned"]) == ("sums", pushed, False)
    assert [(v["version"], v["state"]) for v in model["versions"]] == [(pushed, "AVAILABLE")]


def test_a_rollback_without_an_older_version_says_so(charseq, first_run, place):
    result = charseq("rollback", "--serving-dir", place / "serving")
    assert result.status == 1
    assert "There is no version of sums to go back to" in result.stderr


def test_a_refused_model_is_not_pushed_and_what_was_served_still_answers(
    charseq, server, place, first_run, refused_run
):
    answer = refused_run.json
    assert answer["blessed"] is False
    assert answer["pushed_version"] is None
    assert any("at least 0.9800 is needed" in reason for reason in answer["reasons"])
    assert "the model is refused" in refused_run.stderr
    assert "baseline_exact_match" in answer["metrics"]
    assert versions(place) == [first_run.json["pushed_version"]]
    assert charseq("predict", "--server", server, "1+1").status == 0
    assert "refused" in Path(answer["report"]).read_text()


def test_drifted_data_stops_the_run_with_the_anomaly_in_words(charseq, first_run, place):
    result = charseq(
        "run", "sums", "--json", "--root", place, *QUICK, "--set", "data.largest=9", "--set", "data.count=81"
    )
    assert result.status == 1
    answer = result.json
    assert "Trainer" not in answer["seconds"]
    (reason,) = answer["reasons"]
    assert reason.startswith("ExampleValidator failed: the data set has anomalies")
    assert "digits" in reason
    assert "--set validate.check_drift=false" in reason
    report = Path(answer["report"]).read_text()
    assert "A component failed" in report
    assert "the data set has anomalies" in report


@pytest.mark.slow
def test_a_push_is_tried_as_a_canary_and_promoted(charseq, first_run, place, tmp_path):
    shutil.copytree(place / "serving", tmp_path / "serving")
    before = first_run.json["pushed_version"]
    arguments = ["run", "sums", "--json", "--root", place, "--serving-dir", tmp_path / "serving", *QUICK]
    arguments += ["--set", "run.cache=true"]  # the model is the first run's; what is served beside is new
    with serving(tmp_path / "serving") as address:
        result = charseq(*arguments, "--set", f"rollout.server={address}")
        assert result.status == 0, result.stderr
        rollout, pushed = result.json["rollout"], result.json["pushed_version"]
        assert (rollout["promoted"], rollout["stable"], rollout["reasons"]) == (True, pushed, [])
        assert rollout["agreement"] == 1.0
        (model,) = charseq("models", "--json", "--serving-dir", tmp_path / "serving", "--server", address).json[
            "models"
        ]
        assert (model["stable"], model["pinned"]) == (pushed, True)
        back = charseq("rollback", "--json", "--serving-dir", tmp_path / "serving", "--server", address).json
        assert back["version"] == before
        tried = charseq("canary", str(pushed), "--json", "--serving-dir", tmp_path / "serving", "--server", address)
        assert (tried.status, tried.json["promoted"]) == (0, True)


def test_nothing_is_run_where_no_server_answers_to_try_the_model(charseq, first_run, place):
    before = versions(place)
    arguments = ["run", "sums", "--json", "--root", place, *QUICK, "--set", "run.cache=true"]
    result = charseq(*arguments, "--set", "rollout.server=127.0.0.1:1")
    assert result.status == 2
    assert "rollout.server 127.0.0.1:1 does not answer" in result.stderr
    assert versions(place) == before


@pytest.mark.slow
def test_two_runs_at_once_on_one_root_are_two_runs(charseq, tmp_path):
    arguments = [CHARSEQ, "run", write_tiny_task(tmp_path), "--json", "--root", tmp_path / "root"]
    processes = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=600)[0]) for process in processes]
    assert [result["blessed"] for result in results] == [True, True]
    pushed = sorted(result["pushed_version"] for result in results)
    assert pushed[0] < pushed[1]
    assert sorted(int(n) for n in os.listdir(tmp_path / "root" / "serving" / "tiny") if n.isdecimal()) == pushed
    runs = charseq("runs", "--json", "--root", tmp_path / "root").json["runs"]
    assert [run["result"] for run in runs] == ["blessed", "blessed"]
