"""The test launcher does what Kubeflow's does, seen by small steps."""

import json

import pytest
import yaml
from google.protobuf import json_format

from tests.pipeline.kubeflow.argo import Again, Attempt, Stop, decide
from tests.pipeline.kubeflow.backend import RefusedError, accept
from tests.pipeline.kubeflow.launcher import Cluster, StepFailedError
from tests.pipeline.kubeflow.pod import why_not_confined

TYPE = {"artifactType": {"instanceSchema": "title: tfx.Model\ntype: object\n"}}


RETRY = {"backoffDuration": "30s", "backoffFactor": 2, "backoffMaxDuration": "600s"}

CONFINED = pytest.mark.skipif(bool(why_not_confined()), reason=why_not_confined() or "-")

# What each step's script begins with.
ARGUMENTS = """
import json, os, sys
given, word, uri, path = sys.argv[1:]
given = json.loads(given)
def tell(text):
    open(given["outputs"]["outputFile"], "w").write(text)
"""


def pipeline(first, second="", retries=0, cached=()):
    """Two steps in Python: `first` makes the artifact `made`, `second` reads it; both know the parameter `word`."""

    def component(step, inputs, outputs):
        parameters = {"parameters": {"word": {"parameterType": "STRING"}}}
        definitions = {"inputDefinitions": parameters | inputs, "executorLabel": f"{step}_executor"}
        return definitions | ({"outputDefinitions": {"artifacts": outputs}} if outputs else {})

    def task(step, **inputs):
        parameters = {"word": {"componentInputParameter": "word"}}
        return {
            "taskInfo": {"name": step},
            "componentRef": {"name": step},
            "inputs": {"parameters": parameters} | inputs,
            "cachingOptions": {"enableCache": step in cached},
            **({"retryPolicy": RETRY | {"maxRetryCount": retries}} if retries else {}),
        }

    def executor(script, artifact):
        arguments = [
            "{{$}}",
            "{{$.inputs.parameters['word']}}",
            "{{$." + artifact + ".uri}}",
            "{{$." + artifact + ".path}}",
        ]
        return {"container": {"image": "python:3", "command": ["python", "-c", ARGUMENTS + script], "args": arguments}}

    source = {"taskOutputArtifact": {"producerTask": "first", "outputArtifactKey": "made"}}
    spec = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "small"},
        "components": {
            "first": component("first", {}, {"made": TYPE}),
            "second": component("second", {"artifacts": {"read": TYPE}}, {"out": TYPE}),
        },
        "deploymentSpec": {
            "executors": {
                "first_executor": executor(first, "outputs.artifacts['made']"),
                "second_executor": executor(second, "inputs.artifacts['read']"),
            }
        },
        "root": {
            "dag": {
                "tasks": {
                    "first": task("first"),
                    "second": task("second", artifacts={"read": source}) | {"dependentTasks": ["first"]},
                }
            },
            "inputDefinitions": {"parameters": {"word": {"parameterType": "STRING", "defaultValue": "hello"}}},
        },
    }
    return accept(yaml.safe_dump(spec))


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path)


MAKE = """
os.makedirs(path + "/empty")
open(path + "/file", "w").write(word)
"""


@pytest.mark.e2e
def test_placeholders_files_and_what_a_step_is_told_of_an_input(cluster):
    output = {"artifacts": {"made": {"artifacts": [{"metadata": {"n": 1, "list": [1]}}]}}}
    second = """
assert os.listdir(path) == ["file"] and uri.startswith("minio://") and not path.startswith("minio")
print(json.dumps(given))
"""
    run = cluster.run(pipeline(MAKE + f"tell({json.dumps(output)!r})", second), {"word": "good day"})
    made = run.outputs["first"]["made"]
    assert made.uri.startswith("minio://mlpipeline/v2/artifacts/small/")
    assert (cluster.path(made.uri) / "file").read_text() == "good day"
    log = cluster.path(run.logs["second"][0].uri).read_text()
    told = json.loads(log)["inputs"]["artifacts"]["read"]["artifacts"][0]
    assert told["name"] == str(made.id)
    assert told["type"] == {"instanceSchema": ""}
    assert (told["metadata"]["n"], told["metadata"]["list"]) == (1, {"list": [1]})
    assert told["metadata"]["display_name"] == "made"


@pytest.mark.e2e
def test_a_step_that_fails_is_tried_again_in_a_fresh_pod_and_every_attempt_keeps_its_log(tmp_path):
    tries = tmp_path / "tries"
    tries.touch()
    cluster = Cluster(tmp_path, confined=False)
    flaky = f"""
print("attempt", len(open({str(tries)!r}).read()), flush=True)
open({str(tries)!r}, "a").write("x")
assert not os.path.exists("mark")
open("mark", "w")
assert len(open({str(tries)!r}).read()) == 3
"""
    run = cluster.run(pipeline(flaky, retries=2))
    assert run.attempts["first"] == 3
    logs = [cluster.path(log.uri) for log in run.logs["first"]]
    assert [log.name for log in logs] == ["executor-logs-0", "executor-logs-1", "executor-logs-2"]
    assert [log.read_text().splitlines()[0] for log in logs] == ["attempt 0", "attempt 1", "attempt 2"]
    with pytest.raises(StepFailedError, match=r"first failed \(No more retries left\):\nwhat went wrong"):
        Cluster(tmp_path / "other").run(pipeline("sys.exit('what went wrong')", retries=1))


@pytest.mark.e2e
def test_nothing_is_tried_again_after_the_total_window_of_a_backoff(cluster):
    fails = pipeline("sys.exit(1)", retries=3)
    with pytest.raises(StepFailedError, match="Max duration limit exceeded"):
        cluster.run(fails, seconds={"first": [601]})
    with pytest.raises(StepFailedError, match="Backoff would exceed max duration limit"):
        cluster.run(fails, seconds={"first": [580]})


@pytest.mark.e2e
def test_what_runs_at_the_end_of_the_window_is_terminated_but_for_the_first_attempt(cluster, tmp_path):
    assert cluster.run(pipeline(MAKE, retries=1), seconds={"first": [5000]}).attempts["first"] == 1
    tries = tmp_path / "tries"
    tries.touch()
    tries.chmod(0o666)
    flaky = pipeline(f"open({str(tries)!r}, 'a').write('x')\nassert len(open({str(tries)!r}).read()) == 2", retries=2)
    with pytest.raises(StepFailedError, match="terminated"):
        Cluster(tmp_path / "c", confined=False).run(flaky, seconds={"first": [10, 700]})


def test_a_deleted_pod_is_an_error_and_not_tried_again():
    policy = pipeline(MAKE, retries=2).tasks["first"].retry_policy
    assert decide(policy, [Attempt(0, 10, "Error")]) == Stop("Node not set to be retried after status: Error")
    assert decide(policy, [Attempt(0, 10)]) == Again(40, 600)
    assert decide(policy, [Attempt(0, 10), Attempt(40, 50)]) == Again(110, 600)


def test_a_backoff_without_a_window_is_no_workflow(cluster):
    policy = pipeline(MAKE, retries=2).tasks["first"].retry_policy
    policy.ClearField("backoff_max_duration")
    with pytest.raises(ValueError, match="backoff_max_duration is missing"):
        decide(policy, [Attempt(0, 10)])


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("options", "told"),
    [({}, True), ({"publish_logs": "false"}, False), ({"hides_logs": True}, False)],
)
def test_every_step_is_told_of_the_artifact_of_its_log(tmp_path, options, told):
    cluster = Cluster(tmp_path, **options)
    run = cluster.run(pipeline("print(json.dumps(given['outputs']['artifacts']))" + MAKE, "print('two')"))
    if not options.get("publish_logs"):
        log = cluster.path(run.logs["first"][0].uri).read_text()
        artifacts = json.loads(log.splitlines()[0])
        assert ("executor-logs" in artifacts) == told
        if told:
            (artifact,) = artifacts["executor-logs"]["artifacts"]
            assert artifact["type"] == {"schemaTitle": "system.Artifact"}
            assert artifact["uri"].endswith("/executor-logs-0")
    assert (run.logs == {}) == (options.get("publish_logs") == "false")
    assert set(run.outputs["first"]) == {"made"}


@pytest.mark.e2e
@CONFINED
def test_a_step_is_user_1000_and_can_write_to_its_mounts_alone(cluster):
    script = """
refused = []
for folder in ("/charseq", "/app/x", "/usr/x", "/x", "/tmp/x"):
    try:
        os.mkdir(folder)
    except OSError as error:
        refused.append(folder)
os.makedirs("/minio/elsewhere"), os.makedirs("/.cache/x")
print(os.getuid(), os.getgid(), os.getcwd(), *refused)
"""
    run = cluster.run(pipeline(script + MAKE, ""))
    log = cluster.path(run.logs["first"][0].uri).read_text()
    assert log == "1000 1000 /app /charseq /app/x /usr/x /x /tmp/x\n"


@pytest.mark.e2e
def test_only_cached_steps_are_taken_from_an_earlier_run(cluster):
    accepted = pipeline(MAKE, cached=("first",))
    assert cluster.run(accepted).cached == []
    assert cluster.run(accepted).cached == ["first"]
    assert cluster.run(accepted, {"word": "other"}).cached == []


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("not JSON", "JSON"),
        ('{"artefacts": {}}', 'no field named "artefacts"'),
        ('{"artifacts": {"made": {"artifacts": [{"metadata": {"a": null}}]}}}', "unsupported value type null"),
        ('{"artifacts": {"made": {"artifacts": [{"uri": "gs://other/place"}]}}}', "made has moved from minio://"),
    ],
)
def test_an_output_that_the_launcher_could_not_take_is_refused(cluster, output, said):
    with pytest.raises((RefusedError, json_format.ParseError), match=said):
        cluster.run(pipeline(f"tell({output!r})"))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"words": "x"}, r"parameter\(s\) provided are not required by pipeline: words"),
        ({"word": 3}, "input parameter word requires type string"),
        ({"word": None}, "input parameter word requires type string"),
    ],
)
def test_a_parameter_that_the_pipeline_has_not_or_of_another_type_is_refused(cluster, parameters, said):
    with pytest.raises(RefusedError, match=said):
        cluster.run(pipeline(MAKE), parameters)


@pytest.mark.e2e
def test_the_pipeline_root_is_that_of_the_run_and_not_of_the_spec(cluster):
    accepted = pipeline(MAKE)
    accepted.spec.default_pipeline_root = "s3://bucket/nobody-reads-this"
    assert cluster.run(accepted).outputs["first"]["made"].uri.startswith("minio://mlpipeline/v2/artifacts/small/")
    run = cluster.run(accepted, pipeline_root="gs://bucket/mine")
    assert run.outputs["first"]["made"].uri.startswith("gs://bucket/mine/small/")


def test_a_namespace_with_restricted_refuses_pods_that_may_be_root(tmp_path):
    with pytest.raises(RefusedError, match="runAsNonRoot != true"):
        Cluster(tmp_path, restricted=True).run(pipeline(MAKE))
