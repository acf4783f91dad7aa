"""TLS with and without certificates of clients, and the metrics for Prometheus."""

import asyncio
import http.client
import json
import subprocess
from pathlib import Path

import grpc
import pytest

from charseq_client import AsyncClient, Client, PredictionError, Retries
from serving.contract.errors import Code
from serving.free_port import free_port
from tests.serving.conftest import Push
from tests.serving.processes import run_server, running_server

pytestmark = pytest.mark.e2e


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a server and a client that it has signed."""
    folder = tmp_path_factory.mktemp("keys")
    new = ("-newkey", "rsa:2048", "-nodes", "-sha256")
    _openssl(folder, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for name in ("server", "client"):
        _openssl(folder, "req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=localhost")
        signed_by = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed_by, "-out", f"{name}.crt")
    return folder


def _write_config(path: Path, keys: Path, *, verify: bool) -> None:
    fields = {"server_key": "server.key", "server_cert": "server.crt", "custom_ca": "ca.crt"}
    lines = [f"{field}: {json.dumps((keys / name).read_text())}" for field, name in fields.items()]
    path.write_text("\n".join([*lines, f"client_verify: {str(verify).lower()}"]))


@pytest.mark.parametrize("verify", [False, True])
def test_tls(tmp_path: Path, keys: Path, shout_models: dict[int, Path], push: Push, verify: bool) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    _write_config(tmp_path / "ssl.config", keys, verify=verify)
    authority = (keys / "ca.crt").read_bytes()
    anonymous = grpc.ssl_channel_credentials(authority)
    known = grpc.ssl_channel_credentials(
        authority, (keys / "client.key").read_bytes(), (keys / "client.crt").read_bytes()
    )
    arguments = (f"--serving_dir={tmp_path / 'serving'}", f"--ssl_config_file={tmp_path / 'ssl.config'}")
    with running_server(tmp_path, *arguments) as server:
        target = f"localhost:{server.port}"

        def ask(credentials: grpc.ChannelCredentials | None) -> int:
            with Client(target, credentials=credentials, retries=Retries(max_attempts=1), timeout=120) as client:
                return client.predict({"text": ["ab"]}, model="shout").version

        async def ask_async() -> int:
            async with AsyncClient(target, credentials=known, timeout=120) as client:
                return (await client.predict({"text": ["ab"]}, model="shout")).version

        assert ask(known) == asyncio.run(ask_async()) == 1
        for credentials in (None, anonymous) if verify else (None,):
            with pytest.raises(PredictionError) as caught:
                ask(credentials)
            assert caught.value.code == Code.UNAVAILABLE
        if not verify:
            assert ask(anonymous) == 1


def test_a_configuration_without_keys(tmp_path: Path) -> None:
    (tmp_path / "ssl.config").write_text('server_key: "no PEM"')
    ended = run_server(f"--serving_dir={tmp_path}", f"--ssl_config_file={tmp_path / 'ssl.config'}")

    assert ended.returncode == 1
    assert "has no PEM text in server_key" in ended.stderr


def test_metrics(tmp_path: Path, shout_models: dict[int, Path], judge_model: Path, push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    push(judge_model, tmp_path / "serving" / "judge", 1)
    (tmp_path / "monitoring.config").write_text('prometheus_config { enable: true path: "/metrics" }')
    arguments = (
        *(f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}"),
        f"--monitoring_config_file={tmp_path / 'monitoring.config'}",
    )
    with running_server(tmp_path, *arguments) as server, Client(server.target) as client:
        for _ in range(3):
            client.predict({"text": ["ab"]}, model="shout")
        with pytest.raises(PredictionError):
            client.predict({"text": ["ab!"]}, model="shout")
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
        connection.request("POST", "/v1/models/shout:predict", json.dumps({"instances": ["ab"]}))
        connection.getresponse().read()
        for path in ("/v1/models/shout", "/v1/models/nothing", "/v1/else"):
            connection.request("GET", path)
            connection.getresponse().read()
        connection.request("POST", "/v1/models/judge:classify", json.dumps({"examples": [{"x": 1.0}, {"x": 0.5}]}))
        connection.getresponse().read()
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        lines = response.read().decode().splitlines()
        connection.close()

    assert response.getheader("Content-Type", "").startswith("text/plain")
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert ':tensorflow:serving:request_count{model_name="shout",status="OK"} 5' in lines
    assert ':tensorflow:serving:request_count{model_name="shout",status="INVALID_ARGUMENT"} 1' in lines
    grpc_labels = 'model_name="shout",API="Predict",entrypoint="GRPC"'
    assert f":tensorflow:serving:request_latency_count{{{grpc_labels}}} 3" in lines
    assert f':tensorflow:serving:request_latency_bucket{{{grpc_labels},le="+Inf"}} 3' in lines
    assert any(line.startswith(f":tensorflow:serving:request_latency_sum{{{grpc_labels}}}") for line in lines)
    for api in ("predict", "", "classify"):  # of REST, as TensorFlow Serving writes them
        model = "judge" if api == "classify" else "shout"
        labels = f'model_name="{model}",API="{api}",entrypoint="REST"'
        assert f":tensorflow:serving:request_latency_count{{{labels}}} 1" in lines
    assert ':tensorflow:serving:request_count{model_name="nothing",status="NOT_FOUND"} 1' in lines
    assert ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"} 1' in lines
    assert ':tensorflow:serving:runtime_latency_count{model_name="shout",API="Predict",runtime="TF1"} 4' in lines
    assert ':tensorflow:serving:runtime_latency_count{model_name="judge",API="Classify",runtime="TF1"} 1' in lines
    assert ':tensorflow:serving:request_example_counts_count{model="judge"} 1' in lines
    assert ':tensorflow:serving:request_example_counts_bucket{model="judge",le="2"} 0' in lines
    assert ':tensorflow:serving:request_example_counts_bucket{model="judge",le="4"} 1' in lines
    assert ':tensorflow:serving:request_example_count_total{model="judge"} 2' in lines
    loaded = f'model_path="{tmp_path / "serving" / "shout" / "1"}"'
    assert f':tensorflow:cc:saved_model:load_attempt_count{{{loaded},status="success"}} 1' in lines
    assert any(line.startswith(f":tensorflow:cc:saved_model:load_latency{{{loaded}}} ") for line in lines)


def test_metrics_need_the_rest_port(tmp_path: Path) -> None:
    ended = run_server(f"--serving_dir={tmp_path}", "--monitoring_config_file=x")

    assert (ended.returncode, "of no use without --rest_api_port" in ended.stderr) == (2, True)
