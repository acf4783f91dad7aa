"""The REST API of the real process, over plain HTTP."""

import base64
import gzip
import http.client
import json
import math
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.free_port import free_port
from serving.server.rest.json_format import format_decimal
from tests.serving.conftest import Push
from tests.serving.processes import RunningServer, run_server, running_server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    shout_models: dict[int, Path],
    numbers_model: Path,
    judge_model: Path,
    push: Push,
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    serving_dir = folder / "serving"
    push(shout_models[1], serving_dir / "shout", 1)
    push(shout_models[2], serving_dir / "shout", 2)
    push(numbers_model, serving_dir / "numbers", 7)
    push(judge_model, serving_dir / "judge", 1)
    (serving_dir / "models.config").write_text(
        f"""model_config_list {{ config {{
          name: "shout" base_path: "{serving_dir / "shout"}" model_platform: "tensorflow"
          model_version_policy {{ all {{}} }}
          version_labels {{ key: "stable" value: 1 }} version_labels {{ key: "gone" value: 9 }}
        }} }}"""
    )
    arguments = (
        f"--serving_dir={serving_dir}",
        f"--rest_api_port={free_port()}",
        "--rest_api_timeout_in_ms=1500",
        "--rest_api_enable_cors_support",
        "--rest_api_max_body_mib=4",
        "--enable_serialization_as_tensor_content",  # of gRPC alone; REST reads the fields
        "--tensorflow_inter_op_parallelism=4",
    )
    with running_server(folder, *arguments) as running:
        yield running


def _call(server: RunningServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data)
        response = connection.getresponse()
        content = response.read()
        assert response.getheader("Content-Type") == "application/json"
        return response.status, json.loads(content) if content else None
    finally:
        connection.close()


def _predict(server: RunningServer, model: str, body: Any) -> tuple[int, Any]:
    return _call(server, "POST", f"/v1/models/{model}:predict", body)


def test_row_form(server: RunningServer) -> None:
    assert _predict(server, "shout", {"instances": ["ab", "é"]}) == (
        200,
        {"predictions": [{"log_prob": 2.0, "text": "2:ab:AB"}, {"log_prob": 2.0, "text": "2:é:?"}]},
    )
    rows = {"signature_name": "serving_default", "instances": [{"text": "ab"}, {"text": {"b64": "YWI="}}]}
    assert [row["text"] for row in _predict(server, "shout", rows)[1]["predictions"]] == ["2:ab:AB"] * 2


def test_row_form_of_tensors(server: RunningServer) -> None:
    # One output: the rows are the values themselves. Both inputs have a batch dimension, b of the product does not mind.
    body = {"instances": [{"a": [1, 0, 0], "b": [1.5]}, {"a": [0, 1, 0], "b": [2]}, {"a": [0, 0, 1], "b": [1e-8]}]}
    assert _predict(server, "numbers", body) == (200, {"predictions": [[1.5], [2.0], [1e-8]]})


def test_column_form(server: RunningServer) -> None:
    assert _predict(server, "shout", {"inputs": ["ab"]}) == (
        200,
        {"outputs": {"log_prob": [2.0], "text": ["2:ab:AB"]}},
    )
    body = {"inputs": {"a": [[1, 2, 3]], "b": [[1], [10], [100]]}}
    assert _predict(server, "numbers", body) == (200, {"outputs": [[321.0]]})
    scalar = {"signature_name": "scalar", "inputs": 2.5}
    assert _predict(server, "numbers", scalar) == (200, {"outputs": {"none": [], "nothing": [], "x": 3.5}})


def test_a_type_without_a_json_form(server: RunningServer) -> None:
    status, answer = _predict(server, "numbers", {"signature_name": "cast", "inputs": [2**53 + 1, -1]})

    assert (status, answer["error"]) == (400, "Failed to write JSON value for tensor type: bfloat16")


def test_64_bit_integers_keep_their_value(server: RunningServer) -> None:
    body = {"signature_name": "same_int64", "inputs": [2**53 + 1, -(2**63)]}
    assert _predict(server, "judge", body) == (200, {"outputs": [2**53 + 1, -(2**63)]})
    too_large = {"signature_name": "same_int64", "inputs": [2**63]}
    assert "is not of expected type: int64" in _predict(server, "judge", too_large)[1]["error"]


@pytest.mark.parametrize(
    ("value", "double", "text"),
    [
        (0.2, True, "0.2"),
        (0.20000000298023224, False, "0.2"),
        (1.0, False, "1.0"),
        (9e6, False, "9e+06"),
        (0.3333333432674408, False, "0.333333343"),
        (1 / 3, True, "0.33333333333333331"),
        (3.4028234663852886e38, False, "3.40282347e+38"),
        (math.nan, True, "NaN"),
        (math.inf, False, "Infinity"),
        (-math.inf, True, "-Infinity"),
    ],
)
def test_decimals_read_back_as_the_same_value(value: float, double: bool, text: str) -> None:
    assert format_decimal(value, double=double) == text


def test_bytes(server: RunningServer) -> None:
    encoded = base64.b64encode(b"\xff\x00\xfe").decode()
    body = {"signature_name": "raw", "inputs": [{"b64": encoded}]}
    assert _predict(server, "judge", body) == (200, {"outputs": [{"b64": encoded}]})
    # A single string input may be the base64 object itself.
    scalar = {"signature_name": "raw", "inputs": {"b64": encoded}}
    assert _predict(server, "judge", scalar) == (200, {"outputs": {"b64": encoded}})


def test_versions_and_labels(server: RunningServer) -> None:
    for path, text in (("/versions/1", "1:ab:AB"), ("/versions/2", "2:ab:AB"), ("/labels/stable", "1:ab:AB")):
        status, answer = _call(server, "POST", f"/v1/models/shout{path}:predict", {"instances": ["ab"]})
        assert (status, answer["predictions"][0]["text"]) == (200, text)
    missing = _call(server, "POST", "/v1/models/shout/labels/nothing:predict", {"instances": ["ab"]})
    assert missing == (400, {"error": "Unrecognized servable version label: nothing"})
    unloaded = _call(server, "POST", "/v1/models/shout/labels/gone:predict", {"instances": ["ab"]})
    assert unloaded == (404, {"error": "Servable not found for request: Specific(shout, 9)"})


def test_status(server: RunningServer) -> None:
    def version(number: str) -> dict[str, Any]:
        return {"version": number, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}

    assert _call(server, "GET", "/v1/models/shout") == (200, {"model_version_status": [version("2"), version("1")]})
    assert _call(server, "GET", "/v1/models/shout/versions/1") == (200, {"model_version_status": [version("1")]})
    assert _call(server, "GET", "/v1/models/m") == (404, {"error": "Could not find any versions of model m"})
    assert _call(server, "GET", "/v1/models") == (400, {"error": "Missing model name in request."})


def test_metadata(server: RunningServer) -> None:
    status, answer = _call(server, "GET", "/v1/models/shout/versions/1/metadata")

    assert status == 200
    assert answer["model_spec"] == {"name": "shout", "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["text"]["dtype"] == "DT_STRING"
    assert signature["inputs"]["text"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]


def test_classify_and_regress(server: RunningServer) -> None:
    examples = {"examples": [{"x": 0.25}, {"x": [1.0]}]}
    assert _call(server, "POST", "/v1/models/judge:classify", examples) == (
        200,
        {"results": [[["low", 0.75], ["high", 0.25]], [["low", 0.0], ["high", 1.0]]]},
    )
    body = {"signature_name": "regress", "context": {"x": 3.0}, "examples": [{"x": 0.5}, {"y": ["text", "b"]}]}
    assert _call(server, "POST", "/v1/models/judge:regress", body) == (200, {"results": [1.0, 6.0]})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/v1/models/shout:predict", None, 400, "Malformed request: GET /v1/models/shout:predict"),
        ("POST", "/v1/models/shout", b"{}", 400, "Malformed request: POST /v1/models/shout"),
        ("PUT", "/v1/models/shout:predict", b"{}", 400, "Malformed request: PUT /v1/models/shout:predict"),
        ("GET", "/v1/else", None, 400, "Malformed request: GET /v1/else"),
        ("GET", "/else", None, 404, "There is nothing at /else"),
        ("GET", f"/v1/models/m/versions/{10**30}", None, 400, f"Failed to convert version: {10**30} to numeric."),
        ("POST", "/v1/models/shout:predict", b"", 400, "JSON Parse error: The document is empty"),
        ("POST", "/v1/models/shout:predict", b"{", 400, "JSON Parse error: Missing a name for object member."),
        ("POST", "/v1/models/shout:predict", b'{"instances": [nope]}', 400, "JSON Parse error: Invalid value. at"),
        ("POST", "/v1/models/shout:predict", b"[]", 400, "JSON Value: [] Is not object"),
        ("POST", "/v1/models/shout:predict", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", "/v1/models/m:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(m)"),
        (
            *("POST", "/v1/models/shout:predict", {"signature_name": "s", "instances": ["a"]}, 400),
            'Serving signature name: "s" not found in signature def',
        ),
        (
            "POST",
            "/v1/models/shout:predict",
            {"signature_name": 1},
            400,
            "'signature_name' key must be a string value.",
        ),
        (
            *("POST", "/v1/models/shout:predict", {"instances": ["a"], "inputs": ["a"]}, 400),
            "expecting only one of 'inputs' or 'instances' keys",
        ),
        ("POST", "/v1/models/shout:predict", {"instances": "a"}, 400, "Expecting 'instances' to be an list/array"),
        ("POST", "/v1/models/shout:predict", {"instances": []}, 400, "No values in 'instances' array"),
        (
            *("POST", "/v1/models/shout:predict", {"instances": [1]}, 400),
            "JSON Value: 1 Type: Number is not of expected type: string",
        ),
        (
            *("POST", "/v1/models/shout:predict", {"instances": [{"txt": "a"}]}, 400),
            "Failed to process element: 0 key: txt of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: txt",
        ),
        (
            *("POST", "/v1/models/numbers:predict", {"instances": [{"a": [1, 2, 3]}]}, 400),
            "keys must be equal to: a,b",
        ),
        (
            *("POST", "/v1/models/numbers:predict", {"instances": [[1, 2, 3]]}, 400),
            "instances is a plain list, but expecting list of objects",
        ),
        ("POST", "/v1/models/shout:predict", {"instances": ["a", {"text": "b"}]}, 400, "got object at item 1"),
        ("POST", "/v1/models/shout:predict", {"instances": [{"text": "b"}, "a"]}, 400, "got list at item 1"),
        (
            *("POST", "/v1/models/shout:predict", {"instances": [["a"], ["a", "b"]]}, 400),
            "Expecting tensor size: 1 but got: 2",
        ),
        (
            "POST",
            "/v1/models/numbers:predict",
            {"inputs": {"a": [[1, 2, 3]]}},
            400,
            "Missing named input: b in 'inputs'",
        ),
        (
            *("POST", "/v1/models/numbers:predict", {"inputs": {"a": [[1, 2, 3], [1]], "b": [[1]]}}, 400),
            "Encountered list at unexpected size: 1 at level: 1 expected size: 3",
        ),
        (
            *("POST", "/v1/models/numbers:predict", {"inputs": {"a": [[1, 2, "3"]], "b": [[1]]}}, 400),
            'JSON Value: "3" Type: String is not of expected type: float',
        ),
        (
            *("POST", "/v1/models/numbers:predict", {"inputs": {"a": [[1, 2, 3]], "b": [[1]]}}, 400),
            "Matrix size-incompatible: In[0]: [1,3], In[1]: [1,1]",
        ),
        ("POST", "/v1/models/judge:predict", {"signature_name": "raw", "inputs": [{"b64": "!"}]}, 400, "base64 decode"),
        ("POST", "/v1/models/judge:classify", {"examples": []}, 400, "'examples' value is an empty array"),
        ("POST", "/v1/models/judge:classify", {}, 400, "key 'examples' is expected and was not found"),
        (
            "POST",
            "/v1/models/judge:classify",
            {"examples": [1]},
            400,
            "Example must be JSON object but got JSON Number",
        ),
        (
            *("POST", "/v1/models/judge:classify", {"examples": [{"x": [1, "a"]}]}, 400),
            "Unexpected element type in feature: x expecting type: int64",
        ),
        (
            *("POST", "/v1/models/judge:classify", {"examples": [{"x": None}]}, 400),
            "Feature: x has element with unexpected JSON type: Null",
        ),
        (
            *("POST", "/v1/models/judge:regress", {"signature_name": "s", "examples": [{"x": 1.0}]}, 400),
            "No signature was found with the name: s",
        ),
        ("POST", "/v1/models/shout:predict", {"instances": ["a!"]}, 400, "is not one this model knows"),
        ("POST", "/v1/models/shout:predict", {"signature_name": "slow", "inputs": 60.0}, 504, "Timed out"),
        ("POST", "/v1/models/shout:predict?x=1", b"{}", 400, "Malformed request: POST /v1/models/shout:predict?x=1"),
        ("GET", "/v1/models/shout?x=1", None, 404, "Could not find any versions of model shout?x=1"),
        ("GET", "/v1/models/shout/metadata?x=1", None, 400, "Malformed request: GET /v1/models/shout/metadata?x=1"),
        ("POST", "/v1/models/shout:PREDICT", b"{}", 400, "Malformed request: POST /v1/models/shout:PREDICT"),
        ("POST", "/v1/models/numbers:predict", b'{"inputs": [1e400]}', 400, "Number too big to be stored in double"),
        (
            *("POST", "/v1/models/numbers:predict", b'{"inputs": [1' + b"0" * 400 + b"]}", 400),
            "Number too big to be stored in double",
        ),
        (
            *("POST", "/v1/models/shout:predict", {"instances": ["ab"] * 1025}, 400),
            "The request has 1025 rows; this server takes at most 1024 at a time (--max_request_rows).",
        ),
        ("POST", "/v1/models/shout:predict", {"inputs": ["ab"] * 1025}, 400, "takes at most 1024 at a time"),
        (
            *("POST", "/v1/models/judge:classify", {"examples": [{"x": 1.0}] * 1025}, 400),
            "takes at most 1024 at a time",
        ),
    ],
)
def test_what_is_refused(server: RunningServer, method: str, path: str, body: Any, status: int, message: str) -> None:
    answered, answer = _call(server, method, path, body)

    assert answered == status
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"signature_name": "scalar", "inputs": 1.0, "inputs": 2.0}', 2.0),  # the first of two
        (b'{"signature_name": "scalar", "inputs": Inf}', math.inf),
        (b'{"signature_name": "scalar", "inputs": -Inf}', -math.inf),
        (b'{"signature_name": "scalar", "inputs": -Infinity}', -math.inf),
        (b'{"signature_name": "scalar", "inputs": 1e100}', math.inf),  # of a float, which the document does not say
        (b'{"signature_name": "scalar", "inputs": 1e-400}', 1.0),
    ],
)
def test_numbers_as_the_real_server_reads_them(server: RunningServer, body: bytes, expected: float) -> None:
    status, answer = _predict(server, "numbers", body)
    assert (status, answer["outputs"]["x"]) == (200, expected)


def test_the_other_name_of_not_a_number(server: RunningServer) -> None:
    for name in (b"NaN", b"-NaN"):
        body = b'{"signature_name": "scalar", "inputs": ' + name + b"}"
        assert math.isnan(_predict(server, "numbers", body)[1]["outputs"]["x"])
    assert _predict(server, "shout", b'{"instances": ["-NaN", "Inf"]}')[1]["predictions"][0]["text"] == "2:-NaN:?"


def test_the_status_of_another_case(server: RunningServer) -> None:
    assert _call(server, "GET", "/V1/Models/shout/METADATA") == _call(server, "GET", "/v1/models/shout")


def test_no_message_of_tensorflows_internals(server: RunningServer) -> None:
    for body, message in (
        ({"inputs": "abc"}, "Input text has shape []; signature serving_default takes [-1] (-1: any size)."),
        ({"inputs": ["a!"]}, 'assertion failed: [text[0]: character \\"!\\" in \\"a!\\" is not one this model knows]'),
    ):
        assert _predict(server, "shout", body) == (400, {"error": message})


def test_compressed_bodies(server: RunningServer) -> None:
    body = json.dumps({"instances": ["ab"]}).encode()

    def post(encoding: str, data: bytes) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
        connection.request("POST", "/v1/models/shout:predict", data, {"Content-Encoding": encoding})
        response = connection.getresponse()
        found = response.status, response.read().decode()
        connection.close()
        return found

    assert post("gzip", gzip.compress(body))[0] == 200
    status, message = post("deflate", zlib.compress(body))
    assert (status, "JSON Parse error" in message) == (400, True)
    status, message = post("gzip", gzip.compress(body)[:-9])
    assert (status, "The body cannot be read" in message) == (400, True)
    status, message = post("gzip", gzip.compress(b" " * (5 << 20)))
    assert (status, "larger than the 4 MiB" in message) == (413, True)


def test_json_nested_too_deeply(server: RunningServer) -> None:
    for depth in (300, 900, 100_000):
        body = b'{"instances": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
        status, answer = _predict(server, "shout", body)
        assert status == 400
        assert "too deeply" in answer["error"] or "unexpected" in answer["error"], answer


def test_json_of_too_many_lists(tmp_path: Path) -> None:
    arguments = [f"--serving_dir={tmp_path}", f"--rest_api_port={free_port()}"]
    with running_server(tmp_path, *arguments) as server:
        idle = server.resident_mib()
        body = b'{"instances": [' + b",".join([b"[]"] * 2_000_001) + b"]}"
        for _ in range(3):
            status, answer = _predict(server, "shout", body)
            assert (status, "more than 2000000 lists and objects" in answer["error"]) == (400, True)
        assert server.peak_mib() < idle + 100


def test_strings_that_are_no_text(server: RunningServer) -> None:
    assert _predict(server, "shout", b'{"instances": ["\\ud800"]}')[0] == 400
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
    connection.request("POST", "/v1/models/shout:predict", b'{"instances": ["\xff"]}')
    assert b"2:\xff:?" in connection.getresponse().read()
    connection.close()


def test_a_body_that_is_too_large(server: RunningServer) -> None:
    status, answer = _predict(server, "shout", b" " * (5 << 20))

    assert status == 413
    assert "larger than the 4 MiB of --rest_api_max_body_mib" in answer["error"]


def test_a_client_that_stops_sending(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
        connection.sendall(b"POST /v1/models/shout:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert _predict(server, "shout", {"instances": ["ab"]})[0] == 200
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
        connection.sendall(b"POST /v1/models/shout:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
    assert _predict(server, "shout", {"instances": ["ab"]})[0] == 200


def test_idle_connections_are_closed_and_busy_ones_are_not(
    tmp_path: Path, shout_models: dict[int, Path], push: Push
) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    arguments = [f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}"]
    with running_server(tmp_path, *arguments, "--rest_api_idle_timeout_seconds=1") as server:
        half = b"GET /v1/models/shout HTTP/1.1\r\n"
        for sent in (b"", half, half + b"Host: x\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", server.rest_port), timeout=120) as connection:
                connection.sendall(sent)
                started = time.monotonic()
                while connection.recv(4096):
                    pass
                assert 0.5 < time.monotonic() - started < 10
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
        for _ in range(4):  # each within the time, all of them longer
            time.sleep(0.4)
            connection.request("GET", "/v1/models/shout")
            assert connection.getresponse().read()
        connection.request("POST", "/v1/models/shout:predict", b'{"signature_name": "slow", "inputs": 2.5}')
        assert connection.getresponse().status == 200
        connection.close()


def test_cross_origin_requests(server: RunningServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=120)
    connection.request("OPTIONS", "/v1/models/shout:predict", headers={"Origin": "https://example.com"})
    response = connection.getresponse()
    assert (response.status, response.getheader("Access-Control-Allow-Origin")) == (200, "*")
    response.read()
    connection.request("OPTIONS", "/v1/models/shout:predict")
    assert connection.getresponse().status == 400
    connection.close()


def test_the_port_in_use_and_without_rest(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run_server(f"--serving_dir={tmp_path}", "--port=0", f"--rest_api_port={port}")
    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be listened on" in ended.stderr


def test_requests_in_progress_finish_on_sigterm(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    answers: list[tuple[int, Any]] = []
    arguments = (f"--serving_dir={tmp_path / 'serving'}", f"--rest_api_port={free_port()}")
    with running_server(tmp_path, *arguments) as server:
        body = {"signature_name": "slow", "inputs": 1.5}
        caller = threading.Thread(target=lambda: answers.append(_predict(server, "shout", body)))
        caller.start()
        time.sleep(0.5)
        assert server.terminate() == 0
        caller.join()

    assert answers[0][0] == 200
    assert answers[0][1]["outputs"]["version"] == 1
