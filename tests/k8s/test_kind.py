"""`make cluster`: its script, with stand-ins for Docker, kind and the cluster.

kubectl is real as far as it needs no cluster: it renders the folders that are applied, and reads the arguments of every call.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from pipeline.kubeflow.settings import KubeflowSettings
from tests.k8s.conftest import K8S, of_kind, pods
from tests.pipeline.conftest import CHARSEQ
from tests.pipeline.kubeflow.conftest import fake_server

pytestmark = pytest.mark.e2e

SCRIPT = K8S / "kind" / "run.sh"

needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed here")

# Notes every call as JSON. CALLS says where, PORT which port a forward gets, BREAK which call fails, HANG which never ends.
STAND_IN = f"""#!{sys.executable}
import json, os, subprocess, sys, time
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps([name, *arguments]) + "\\n")
line = " ".join([name, *arguments])
for variable, act in (("BREAK", lambda: sys.exit("broken")), ("HANG", lambda: time.sleep(60))):
    if os.environ.get(variable) and line.startswith(os.environ[variable]):
        act()
if name == "kubectl":
    real = {shutil.which("kubectl")!r}
    read = subprocess.run([real, *arguments, "--help"], capture_output=True, text=True)
    if read.returncode or "unknown" in read.stderr:
        sys.exit("kubectl does not understand: " + line + read.stderr)
    if arguments[:2] == ["apply", "-k"] and not arguments[2].startswith("github.com/"):
        subprocess.run([real, "kustomize", arguments[2]], check=True, stdout=subprocess.DEVNULL)
    if arguments[0] == "port-forward":
        print("Forwarding from 127.0.0.1:" + os.environ["PORT"] + " -> 3000", flush=True)
        time.sleep(600)
if name == "charseq":
    if arguments[0] != "predict":
        os.execv({CHARSEQ!r}, [{CHARSEQ!r}, *arguments])
    print(os.environ.get("ANSWER", "46"))
"""


@pytest.fixture
def start(tmp_path):
    """Starts the script; returns its process, and a function that returns the calls so far."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "kind", "kubectl", "charseq"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    (tmp_path / "calls").touch()

    def run(**environment):
        settings = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CALLS": str(tmp_path / "calls"),
            "CHARSEQ": str(programs / "charseq"),
            "TMPDIR": str(tmp_path),
        }
        return subprocess.Popen(
            [str(SCRIPT)],
            env=os.environ | settings | environment,
            # What a shell starts in the background ignores Ctrl-C, and so would all that it starts itself.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def calls():
        return [" ".join(json.loads(line)) for line in (tmp_path / "calls").read_text().splitlines()]

    return run, calls


def left(folder):
    """What the script has left of its own folder."""
    return [path.name for path in folder.iterdir() if path.name.startswith("tmp.")]


@needs_kubectl
def test_from_the_image_to_an_answer(start, tmp_path):
    run, calls = start
    with fake_server(tmp_path, {"looks": [{"state": "SUCCEEDED"}]}) as server:
        process = run(PORT=server.host.rpartition(":")[2])
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert output.splitlines()[-1] == "12+34 = 46"
        (upload,) = (r for r in server.requests if r["path"].endswith("/upload_version"))
        assert f"image: {KubeflowSettings().image}" in upload["body"]
    image = KubeflowSettings().image
    steps = [
        f"docker build -f k8s/Dockerfile -t {image} .",
        "kind create cluster --name charseq --wait 300s",
        f"kind load docker-image {image} --name charseq",
        "kubectl apply -k github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?ref=2.16.1",
        "kubectl apply -k k8s/kind/tools -n kubeflow",
        "kubectl apply -k k8s/kind/serving -n kubeflow",
        "kubectl port-forward -n kubeflow svc/ml-pipeline-ui :80",
        "kubectl rollout status deployment/serving-stable -n kubeflow --timeout=600s",
        "kubectl port-forward -n kubeflow svc/serving :8500",
        "kind delete cluster --name charseq",
    ]
    assert [call for call in calls() if call in steps] == steps
    assert calls()[-1] == steps[-1]
    assert left(tmp_path) == []


@needs_kubectl
@pytest.mark.parametrize("broken", ["kind create", "kubectl wait", "kubectl apply -k k8s/kind/serving"])
def test_what_fails_is_shown_and_the_cluster_removed(start, tmp_path, broken):
    run, calls = start
    process = run(BREAK=broken, PORT="1")
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "broken" in errors
    assert "kubectl get pods,persistentvolumeclaims -n kubeflow -o wide" in calls()
    assert calls()[-1] == "kind delete cluster --name charseq"
    assert left(tmp_path) == []


def test_an_interrupted_one_removes_the_cluster(start, tmp_path):
    run, calls = start
    process = run(HANG="kind load")
    deadline = time.monotonic() + 120
    while not any(call.startswith("kind load") for call in calls()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert calls()[-1] == "kind delete cluster --name charseq"


def test_what_is_missing_is_said_before_anything_is_made(start, tmp_path):
    run, calls = start
    process = run(BREAK="docker info")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Docker does not answer" in errors
    assert calls() == ["docker info"]
    (tmp_path / "bin" / "kind").write_text("#!/bin/sh\necho charseq\n")
    _, errors = run().communicate(timeout=60)
    assert "there is a kind cluster charseq already" in errors
    assert not any("delete" in call for call in calls()), "another's cluster is left alone"


def test_it_is_linted():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed here")
    linted = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
    assert SCRIPT.stat().st_mode & stat.S_IXUSR


def test_one_node_has_the_volume_and_one_small_server(rendered):
    for folder in ("kind/tools", "kind/serving"):
        (claim,) = of_kind(rendered(folder), "PersistentVolumeClaim")
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    (scaler,) = of_kind(rendered("kind/serving"), "HorizontalPodAutoscaler")
    assert scaler["spec"]["maxReplicas"] == 1
    ((_, spec),) = pods(rendered("kind/serving"))
    assert spec["containers"][0]["resources"]["requests"]["cpu"] == "100m"
