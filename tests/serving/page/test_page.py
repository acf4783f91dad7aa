"""The page to try the models on, without a browser: where it is, and what its headers allow."""

import http.client
import json
import re
from pathlib import Path

import pytest

from serving.free_port import free_port
from serving.launch import server_command
from serving.page import PageModel, render
from tests.serving.conftest import Push
from tests.serving.processes import run_server, running_server

pytestmark = pytest.mark.e2e


def get(port: int, path: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def test_the_page_is_there_when_asked_for_and_names_the_models(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    arguments = (f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}")
    with running_server(tmp_path, *arguments) as server:
        assert get(server.rest_port, "/")[0] == 404
    with running_server(tmp_path, *arguments, "--page") as server:
        status, headers, text = get(server.rest_port, "/?model=shout")
        assert f"page at http://127.0.0.1:{server.rest_port}/" in server.log.read_text()

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert '"models": [{"name": "shout", "labels": []}]' in text
    assert f'"grpc": ":{server.port}"' in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_has_nothing_to_load() -> None:
    text = render([], grpc=":8500").text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert not re.search(r"url\(|@import", text)


def test_a_models_name_cannot_end_the_element_that_it_stands_in() -> None:
    text = render([PageModel("</script><script>alert(1)</script>")], grpc=":8500").text
    (data,) = re.findall(r'<script type="application/json" id="served">(.*?)</script>', text)
    assert json.loads(data)["models"][0]["name"] == "</script><script>alert(1)</script>"


def test_the_page_needs_the_rest_port(tmp_path: Path) -> None:
    ended = run_server(f"--serving_dir={tmp_path}", "--page")
    assert (ended.returncode, "of no use without --rest_api_port" in ended.stderr) == (2, True)


def test_tensorflow_serving_has_no_page_but_what_to_do_is_said(tmp_path: Path) -> None:
    program = tmp_path / "tensorflow_model_server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(ValueError, match="beside it start `charseq page --server http://127.0.0.1:8501`"):
        server_command(tmp_path, rest_port=8501, executable=str(program), page=True)
