"""A client library that others publish, in a virtual environment of its own, against the real server.

min-tfs-client is the one on PyPI that works on CPython 3.11: its generated code needs protobuf 3.20, which is why it cannot
be beside ours. Others that install there and do not work: serving-utils (imports tensorflow, and has generated code older
than that tensorflow's protobuf takes) and tensorflow-serving-client (imports tensorflow, which it does not bring).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.conftest import Push
from tests.serving.processes import running_server

pytestmark = pytest.mark.e2e

_PACKAGES = ("min-tfs-client==1.0.2", "protobuf<3.21")

_PROGRAM = """
import json, sys
import grpc, numpy as np
from min_tfs_client.requests import TensorServingClient
from min_tfs_client.tensors import tensor_proto_to_ndarray

client = TensorServingClient(host="127.0.0.1", port=int(sys.argv[1]))

def ask(model, inputs, version=None):
    try:
        response = client.predict_request(model, inputs, timeout=120, model_version=version)
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    spec = response.model_spec
    outputs = {name: tensor_proto_to_ndarray(proto).tolist() for name, proto in response.outputs.items()}
    return [spec.name, spec.version.value, spec.signature_name, outputs]

a, b = np.array([[1, 2, 3]], np.float32), np.array([[1, 0], [10, 0], [100, 1]], np.float32)
print(json.dumps([
    ask("shout", {"text": np.array(["ab", "x"])}),
    ask("numbers", {"a": a, "b": b}, version=7),
    ask("shout", {"text": np.array(["ab"])}, version=9),
    ask("shout", {"text": np.array([1.0])}),
]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment with the library; skips where it cannot be installed."""
    folder = tmp_path_factory.mktemp("client") / "venv"
    uv, python = str(Path(sys.executable).with_name("uv")), folder / "bin" / "python"
    try:
        for command in ([uv, "venv", "--python", sys.executable, str(folder)], [uv, "pip", "install", *_PACKAGES]):
            environment = {**os.environ, "VIRTUAL_ENV": str(folder)}
            # Not in the project's folder, whose pyproject.toml overrides versions.
            subprocess.run(
                command, cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=120, check=True
            )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{_PACKAGES[0]} cannot be installed: {error.stderr.strip()[-300:]}")
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{_PACKAGES[0]} cannot be installed: {error}")
    return python


def test_min_tfs_client(
    tmp_path: Path, shout_models: dict[int, Path], numbers_model: Path, push: Push, python: Path
) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    push(numbers_model, tmp_path / "serving" / "numbers", 7)
    with running_server(tmp_path, f"--serving_dir={tmp_path / 'serving'}") as server:
        command = [str(python), "-c", _PROGRAM, str(server.port)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    texts, product, gone, wrong = json.loads(ended.stdout)
    assert texts == ["shout", 1, "serving_default", {"text": ["1:ab:AB", "1:x:?"], "log_prob": [2.0, 1.0]}]
    assert product == ["numbers", 7, "serving_default", {"product": [[321.0, 3.0]]}]
    assert gone == ["NOT_FOUND", "Servable not found for request: Specific(shout, 9)"]
    assert wrong[0] == "INVALID_ARGUMENT"
    assert "to be string but double is provided" in wrong[1]
