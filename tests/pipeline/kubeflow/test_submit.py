"""`charseq kubeflow`: compile and submit, against a fake API server."""

import json

import pytest
import yaml

from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.conftest import fake_server

pytestmark = pytest.mark.e2e

LOOKS = [
    {"state": "PENDING"},
    {
        "state": "RUNNING",
        "steps": {"baseline": "running", "sums-example-gen": "driving", "import-schema-gen": "cached"},
    },
    {"status": 503},
    {
        "state": "RUNNING",
        "steps": {
            "baseline": "done",
            "trainer": {"is": "waiting", "attempts": ["Pending"], "message": "Unschedulable: 0/3 nodes are available"},
        },
    },
    {"state": "RUNNING", "steps": {"baseline": "done", "trainer": "running"}},
    {"state": "RUNNING", "steps": {"baseline": "done", "trainer": {"is": "waiting", "attempts": ["Failed"]}}},
    {
        "state": "RUNNING",
        "steps": {"baseline": "done", "trainer": {"is": "running", "attempts": ["Failed", "Running"]}},
    },
    {
        "state": "SUCCEEDED",
        "steps": {
            "baseline": "done",
            "import-schema-gen": "cached",
            "trainer": {"is": "done", "attempts": ["Failed", "Succeeded"]},
            "pusher": {"is": "done", "given": {"model_blessing": {"blessed": 1, "reasons": "[]"}}},
        },
    },
]


@pytest.fixture
def charseq(charseq_here):
    return charseq_here


@pytest.fixture(scope="module")
def package(compiled, tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "sums.yaml"
    path.write_text(compiled())
    return path


def submit(charseq, server, package, *arguments):
    return charseq("kubeflow", "submit", "--host", server.host, "--file", package, "--interval", "0.02", *arguments)


def test_compile_writes_what_the_backend_takes(charseq, tmp_path):
    path = tmp_path / "p.yaml"
    result = charseq(
        "kubeflow", "compile", "-o", path, "sums", "--json", "--set", "train.epochs=3", "--set", "kubeflow.cpu=3"
    )
    assert result.status == 0, result.stderr
    assert result.json == {"task": "sums", "output": str(path)}
    accepted = accept(path.read_text())
    assert '"epochs": 3' in path.read_text().replace("\\", "")
    assert accepted.container("evaluator").resources.resource_cpu_limit == "3"


def progress(result):
    return [line.strip() for line in result.stderr.splitlines() if line.startswith("  ")]


def test_a_run_is_followed_and_its_success_is_status_0(charseq, package, tmp_path):
    with fake_server(tmp_path, {"looks": LOOKS}) as server:
        result = submit(charseq, server, package, "--json", "--param", "settings=train.epochs=3")
        assert result.status == 0, result.stderr
        answer = result.json
        steps = answer.pop("steps")
        assert answer == {
            "pipeline_id": "pipeline_id-1",
            "version_id": "pipeline_version_id-1",
            "run_id": "run_id-1",
            "url": f"{server.host}/#/runs/details/run_id-1",
            "state": "SUCCEEDED",
            "error": "",
            "refused": [],
            "log": [],
        }
        assert set(steps) == set(accept(package.read_text()).tasks)
        assert steps["trainer"] == {"state": "done", "attempts": 2}
        assert steps["import-schema-gen"] == {"state": "cached", "attempts": 0}
        assert steps["transform"] == {"state": "skipped", "attempts": 0}
        assert [line for line in progress(result) if line.startswith(("baseline", "trainer"))] == [
            "baseline: running",
            "baseline: done",
            "trainer: waiting (Unschedulable: 0/3 nodes are available)",
            "trainer: running",
            "trainer: waiting (Error (exit code 1))",
            "trainer: running, attempt 2",
            "trainer: done, attempt 2",
        ]
        assert not any(
            line.startswith(("root", "executor", "sums-x7k2p")) or "driver" in line for line in progress(result)
        )
        (run,) = server.bodies("/runs")
        assert run["runtime_config"]["parameters"] == {"settings": "train.epochs=3"}
        assert run["pipeline_version_reference"] == {
            "pipeline_id": "pipeline_id-1",
            "pipeline_version_id": "pipeline_version_id-1",
        }
        assert submit(charseq, server, package).status == 0
        assert len(server.bodies("/pipelines")) == 1, "the second time it is a version of the same pipeline"
        names = [r["query"]["name"] for r in server.requests if r["path"].endswith("/upload_version")]
        assert len(set(names)) == 2
        assert len(server.bodies("/experiments")) == 1


def test_without_the_older_api_there_are_the_states_of_kubeflows_own_answer(charseq, package, tmp_path):
    with fake_server(tmp_path, {"looks": LOOKS, "v1beta1": False}) as server:
        result = submit(charseq, server, package, "--json")
        assert result.status == 0, result.stderr
        assert result.json["steps"]["trainer"] == {"state": "done", "attempts": 0}
        assert result.json["steps"]["transform"] == {"state": "skipped", "attempts": 0}
        assert [line for line in progress(result) if line.startswith("baseline")] == [
            "baseline: running",
            "baseline: done",
        ]


def test_a_model_that_is_refused_is_said_although_the_run_succeeds(charseq, package, tmp_path):
    reasons = ["exact_match is 0.2, below 0.9"]
    given = {
        "model_blessing": {"blessed": 0, "reasons": json.dumps(reasons)},
        "infra_blessing": {"blessed": 0, "reason": "the server did not answer"},
        "model": {"size": 3},
    }
    look = {"state": "SUCCEEDED", "steps": {"evaluator": "done", "pusher": {"is": "done", "given": given}}}
    with fake_server(tmp_path, {"looks": [look]}) as server:
        result = submit(charseq, server, package)
        assert result.status == 0, result.stderr
        told = [line.split(maxsplit=1)[1] for line in result.stdout.splitlines() if line.startswith("refused")]
        assert told == [*reasons, "the server did not answer"]
        assert submit(charseq, server, package, "--json").json["refused"] == told


def failed_look(**more):
    steps = {"baseline": "done", "trainer": {"is": "failed"} | more, "evaluator": "omitted", "pusher": "omitted"}
    return {"state": "FAILED", "steps": steps}


LOG = [f"line {number}" for number in range(30)] + ["ValueError: the loss is not finite"]


@pytest.mark.parametrize("keeps", ["artifacts", "pods", "nodes"])
def test_a_step_that_fails_is_named_with_its_attempt_and_the_end_of_its_log(charseq, package, tmp_path, keeps):
    script = {
        "looks": [{"state": "RUNNING"}, failed_look()],
        "keeps": [keeps],
        "logs": {"trainer/2": "\n".join(LOG) + "\n"},
    }
    with fake_server(tmp_path, script) as server:
        result = submit(charseq, server, package)
        assert result.status == 1
        assert "trainer failed in attempt 3: Error (exit code 1)" in result.stdout
        assert f"{server.host}/#/runs/details/run_id-1" in result.stdout
        assert [line.removeprefix("| ") for line in progress(result) if line.startswith("|")] == LOG[-20:]
        assert "trainer: failed, attempt 3 (Error (exit code 1))" in progress(result)
        assert "pusher: skipped" in progress(result)


def test_a_step_whose_log_nobody_keeps_still_has_its_message(charseq, package, tmp_path):
    look = failed_look(attempts=["Error"], message="OOMKilled (exit code 137)")
    with fake_server(tmp_path, {"looks": [look]}) as server:
        result = submit(charseq, server, package, "--json")
        assert result.status == 1
        assert result.json["error"] == "trainer failed in attempt 1: OOMKilled (exit code 137)"
        assert result.json["log"] == []


def test_a_driver_that_fails_fails_its_step(charseq, package, tmp_path):
    look = {
        "state": "FAILED",
        "steps": {"trainer": {"is": "driver failed", "message": "pods is forbidden: runAsNonRoot"}},
    }
    with fake_server(tmp_path, {"looks": [look]}) as server:
        result = submit(charseq, server, package, "--json")
        assert result.json["error"] == "trainer failed: pods is forbidden: runAsNonRoot"


def test_it_compiles_what_it_is_not_given(charseq, tmp_path):
    with fake_server(tmp_path, {"looks": LOOKS[-1:]}) as server:
        result = charseq("kubeflow", "submit", "--host", server.host, "sums", "--set", "train.epochs=3", "--json")
        assert result.status == 0, result.stderr
        assert result.json["state"] == "SUCCEEDED"
        (upload,) = (r for r in server.requests if r["path"].endswith("/upload_version"))
        assert "settings of the task, separated by spaces" in upload["body"]
        assert "(train.epochs=3)" in upload["body"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_a_run_that_does_not_succeed_is_status_1(charseq, package, tmp_path, state):
    looks = [{"state": "RUNNING"}, {"state": state, "steps": {"trainer": "failed"}}]
    with fake_server(tmp_path, {"looks": looks}) as server:
        result = submit(charseq, server, package)
        assert result.status == 1
        assert f"state              {state}" in result.stdout


ROOT = "s3://bucket/charseq"


@pytest.mark.parametrize(("arguments", "path"), [([], "/runs"), (["--cron", "0 0 3 * * *"], "/recurringruns")])
def test_the_pipeline_root_is_the_runs(charseq, compiled, tmp_path, arguments, path):
    package = tmp_path / "sums.yaml"
    package.write_text(compiled(pipeline_root=ROOT))
    with fake_server(tmp_path, {"looks": LOOKS[-1:]}) as server:
        assert submit(charseq, server, package, *arguments).status == 0
        (run,) = server.bodies(path)
        assert run["runtime_config"]["pipeline_root"] == ROOT


def test_several_users(charseq, package, tmp_path):
    cookie = tmp_path / "cookie"
    cookie.write_text("authservice_session=abc\n")
    script = {"looks": LOOKS[-1:], "multi_user": True, "cookie": "authservice_session=abc"}
    with fake_server(tmp_path, script) as server:
        result = submit(charseq, server, package, "--cookie-file", cookie, "--namespace", "team-a")
        assert result.status == 0, result.stderr
        for path in ("/pipelines", "/experiments"):
            (body,) = server.bodies(path)
            assert body["namespace"] == "team-a"
        result = submit(charseq, server, package, "--namespace", "team-a")
        assert result.status == 1
        assert "answers 403 the session is over; give credentials with --token-file or --cookie-file" in result.stderr


def test_no_wait_returns_at_once(charseq, package, tmp_path):
    with fake_server(tmp_path, {"looks": [{"state": "RUNNING"}]}) as server:
        result = submit(charseq, server, package, "--no-wait", "--json")
        assert result.status == 0
        assert result.json["run_id"] == "run_id-1"


def test_a_header_for_every_request(charseq, package, tmp_path):
    with fake_server(tmp_path, {"looks": LOOKS[-1:], "multi_user": True, "user": "user@example.com"}) as server:
        options = ["--namespace", "team-a", "--header", "kubeflow-userid=user@example.com"]
        assert submit(charseq, server, package, *options).status == 0
        result = submit(charseq, server, package, *options[:2])
        assert result.status == 1
        assert "answers 401 Request header error: there is no user identity header." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "trigger"),
    [
        (["--every", "3600"], {"periodic_schedule": {"interval_second": "3600"}}),
        (["--cron", "0 0 3 * * *"], {"cron_schedule": {"cron": "0 0 3 * * *"}}),
    ],
)
def test_a_recurring_run(charseq, package, tmp_path, arguments, trigger):
    with fake_server(tmp_path, {"looks": []}) as server:
        result = submit(charseq, server, package, "--json", *arguments)
        assert result.status == 0, result.stderr
        assert result.json["recurring_run_id"] == "recurring_run_id-1"
        (recurring,) = server.bodies("/recurringruns")
        assert str(recurring["trigger"]).replace("3600", "'3600'").replace("''", "'") == str(trigger)
        assert (recurring["mode"], recurring["no_catchup"], recurring["max_concurrency"]) == ("ENABLE", True, 1)


def test_the_token_of_a_file_is_sent_and_without_it_the_answer_says_what_to_do(charseq, package, tmp_path):
    token = tmp_path / "token"
    token.write_text("right\n")
    with fake_server(tmp_path, {"looks": LOOKS[-1:], "token": "right"}) as server:
        assert submit(charseq, server, package, "--token-file", token).status == 0
        result = submit(charseq, server, package)
        assert result.status == 1
        assert "answers 401 the token is wrong; give credentials with --token-file" in result.stderr
        assert "Traceback" not in result.stderr


def test_what_the_server_refuses_is_said(charseq, package, tmp_path):
    documents = list(yaml.safe_load_all(package.read_text()))
    documents[0]["schemaVersion"] = "2.0.0"
    old = tmp_path / "old.yaml"
    old.write_text(yaml.safe_dump_all(documents))
    with fake_server(tmp_path, {"looks": LOOKS}) as server:
        result = submit(charseq, server, old)
        assert result.status == 1
        assert "answers 400 invalid pipeline spec: KFP only supports schema version 2.1.0" in result.stderr


def test_without_a_server_it_says_how_to_reach_one(charseq, package):
    result = charseq("kubeflow", "submit", "--host", "http://127.0.0.1:1", "--file", package)
    assert result.status == 1
    assert "http://127.0.0.1:1 cannot be reached" in result.stderr
    assert "kubectl port-forward" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [["kubeflow"], ["kubeflow", "compile"], ["kubeflow", "submit"]])
def test_help_has_an_example(charseq, command):
    assert "Example:" in charseq(*command, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compile", "-o", "x.yaml", "sum"], "there is no task 'sum'"),
        (["compile", "-o", "x.json"], "does not end in .yaml"),
        (["compile", "-o", "x.yaml", "--set", "kubeflow.image=charseq:latest"], "needs a tag that never moves"),
        (["compile", "-o", "x.yaml", "--set", "kubeflow.gpus=1"], "kubeflow has no 'gpus'"),
        (["compile", "-o", "x.yaml", "--set", "train.epochs=x"], "'x' is not a whole number"),
        (["submit", "--host", "localhost:8080"], "is not a URL; it starts with http:// or https://"),
        (["submit", "--every", "1", "--cron", "0 0 3 * * *"], "--every and --cron both say when"),
        (["submit", "--header", "kubeflow-userid"], "--header 'kubeflow-userid' is not NAME=VALUE"),
        (["submit", "--every", "0"], "--every 0 is not a number of seconds above 0"),
        (["submit", "--cron", "0 3 * * *"], "has 5 fields, not six: seconds come first"),
        (["submit", "--host", "http://127.0.0.1:1", "--token-file", "nothing"], "nothing cannot be read"),
        (["submit", "--file", __file__], "is not a compiled pipeline; make one with charseq kubeflow compile"),
        (["submit", "--file", __file__, "--set", "train.epochs=1"], "--set is of no use with --file"),
    ],
)
def test_bad_input_is_one_line_and_status_2(charseq, arguments, said, tmp_path):
    result = charseq("kubeflow", *arguments, cwd=tmp_path)
    assert result.status == 2, result.stderr
    assert result.stdout == ""
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    assert said in line


def test_a_parameter_that_the_pipeline_has_not_is_bad_input(charseq, package, tmp_path):
    with fake_server(tmp_path, {"looks": []}) as server:
        result = submit(charseq, server, package, "--param", "epochs=3")
        assert result.status == 2
        assert "is not name=value of accelerator_count, " in result.stderr
        result = submit(charseq, server, package, "--param", "node_selector=gpu")
        assert result.status == 2
        assert "node_selector is a STRUCT, given as JSON" in result.stderr
        assert server.bodies("/runs") == []
