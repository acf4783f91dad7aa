"""Compiled pipelines, and somewhere to submit them."""

import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.kubeflow.settings import KubeflowSettings
from tests.pipeline.kubeflow.pod import CHECKOUT


class FakeServer:
    """The address of a fake API server, and what it was asked."""

    def __init__(self, port):
        self.host = f"http://127.0.0.1:{port}"

    @property
    def requests(self):
        with urllib.request.urlopen(f"{self.host}/requests") as answer:
            return json.load(answer)["requests"]

    def bodies(self, path):
        return [json.loads(r["body"]) for r in self.requests if r["method"] == "POST" and r["path"].endswith(path)]


@contextmanager
def fake_server(folder: Path, script):
    path = folder / "script.json"
    path.write_text(json.dumps(script))
    command = [sys.executable, "-m", "tests.pipeline.kubeflow.fake_api_server", str(path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield FakeServer(int(process.stdout.readline()))
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def compiled():
    """Returns the YAML of a task; `sums` with default settings unless told otherwise."""
    from pipeline.kubeflow.compile import compile_pipeline

    def run(task="sums", assignments=(), **settings):
        return compile_pipeline(task, assignments, KubeflowSettings(**settings))

    return run
