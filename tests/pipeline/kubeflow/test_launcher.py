"""The test launcher does what Kubeflow's does, seen by small steps."""

import json

import pytest
import yaml
from google.protobuf import json_format

from tests.pipeline.kubeflow.backend import RefusedError, accept
from tests.pipeline.kubeflow.launcher import Cluster, StepFailedError

TYPE = {"artifactType": {"instanceSchema": "title: tfx.Model\ntype: object\n"}}


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
            **({"retryPolicy": {"maxRetryCount": retries}} if retries else {}),
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


def test_placeholders_files_and_what_a_step_is_told_of_an_input(cluster, tmp_path):
    seen = tmp_path / "seen.json"
    output = {"artifacts": {"made": {"artifacts": [{"metadata": {"n": 1, "list": [1]}}]}}}
    second = f"""
assert os.listdir(path) == ["file"] and uri.startswith("minio://") and not path.startswith("minio")
json.dump(given, open({str(seen)!r}, "w"))
"""
    run = cluster.run(pipeline(MAKE + f"tell({json.dumps(output)!r})", second), {"word": "good day"})
    made = run.outputs["first"]["made"]
    assert made.uri.startswith("minio://mlpipeline/v2/artifacts/small/")
    assert (cluster.path(made.uri) / "file").read_text() == "good day"
    told = json.loads(seen.read_text())["inputs"]["artifacts"]["read"]["artifacts"][0]
    assert told["name"] == str(made.id)
    assert told["type"] == {"instanceSchema": ""}
    assert (told["metadata"]["n"], told["metadata"]["list"]) == (1, {"list": [1]})
    assert told["metadata"]["display_name"] == "made"


def test_a_step_that_fails_is_tried_again_in_a_fresh_pod(cluster, tmp_path):
    flaky = f"""
open({str(tmp_path / "tries")!r}, "a").write("x")
assert not os.path.exists("mark")
open("mark", "w")
assert len(open({str(tmp_path / "tries")!r}).read()) == 3
"""
    assert "first" in cluster.run(pipeline(flaky, retries=2)).seconds
    with pytest.raises(StepFailedError, match="first failed:\nwhat went wrong"):
        Cluster(tmp_path / "other").run(pipeline("sys.exit('what went wrong')", retries=1))


def test_only_cached_steps_are_taken_from_an_earlier_run(cluster):
    accepted = pipeline(MAKE, cached=("first",))
    assert cluster.run(accepted).cached == []
    assert cluster.run(accepted).cached == ["first"]
    assert cluster.run(accepted, {"word": "other"}).cached == []


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


def test_a_parameter_that_the_pipeline_has_not_is_refused(cluster):
    with pytest.raises(RefusedError, match="'words'"):
        cluster.run(pipeline(MAKE), {"words": "x"})
