"""A small stand-in for Kubeflow Pipelines' API server (v2beta1 over HTTP), as a process of its own.

`python -m tests.pipeline.kubeflow.fake_api_server SCRIPT` prints its port, then answers from a script (JSON) and keeps every
request it gets at GET /requests. A run's states come from the script, one look after the other.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.pipeline.kubeflow.backend import RefusedError, accept

API = "/apis/v2beta1"


class State:
    def __init__(self, script: dict[str, Any]) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.looks = 0


class RequestRefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    state: State

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/requests":
            self._send(200, {"requests": self.state.requests})
            return
        self.state.requests.append(
            {"method": method, "path": url.path, "query": query, "body": body.decode(errors="replace")}
        )
        try:
            token = self.state.script.get("token")
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                raise RequestRefusedError(401, "the token is wrong")
            self._send(200, self._route(method, url.path.removeprefix(API), query, body))
        except RequestRefusedError as error:
            self._send(error.status, {"error_message": str(error), "message": str(error)})

    def _send(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> dict[str, Any]:
        state = self.state
        if path == "/healthz":
            return {"multi_user": False}
        if path == "/pipelines" and method == "GET":
            return {"pipelines": _filtered(state.pipelines, query)}
        if path == "/pipelines":
            return _add(state.pipelines, "pipeline_id", json.loads(body))
        if path == "/pipelines/upload_version":
            return self._upload(query, body)
        if path == "/experiments" and method == "GET":
            return {"experiments": _filtered(state.experiments, query)}
        if path == "/experiments":
            return _add(state.experiments, "experiment_id", json.loads(body))
        if path in ("/runs", "/recurringruns") and method == "POST":
            content = json.loads(body)
            if content["pipeline_version_reference"]["pipeline_version_id"] not in state.versions:
                raise RequestRefusedError(404, "there is no such version")
            return _add(state.runs, "run_id" if path == "/runs" else "recurring_run_id", content)
        if found := re.fullmatch(r"/runs/([^/]+)", path):
            return state.runs[found[1]] | self._look()
        raise RequestRefusedError(404, f"nothing is at {path}")

    def _upload(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        if query["pipelineid"] not in self.state.pipelines:
            raise RequestRefusedError(404, "there is no such pipeline")
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        part = body.split(b"--" + boundary)[1]
        try:
            accept(part.partition(b"\r\n\r\n")[2].decode())
        except RefusedError as error:
            raise RequestRefusedError(400, f"invalid pipeline spec: {error}") from None
        version = {"pipeline_id": query["pipelineid"], "display_name": query["name"]}
        return _add(self.state.versions, "pipeline_version_id", version)

    def _look(self) -> dict[str, Any]:
        looks = self.state.script["looks"]
        look = looks[min(self.state.looks, len(looks) - 1)]
        self.state.looks += 1
        if "status" in look:
            raise RequestRefusedError(look["status"], "the server is being restarted")
        tasks = [{"display_name": name, "state": state} for name, state in look.get("tasks", {}).items()]
        error = {"error": {"code": 2, "message": look["error"]}} if "error" in look else {}
        return {"state": look["state"], "run_details": {"task_details": tasks}, **error}


def _add(store: dict[str, dict[str, Any]], key: str, content: dict[str, Any]) -> dict[str, Any]:
    identifier = f"{key}-{len(store) + 1}"
    store[identifier] = content | {key: identifier}
    return store[identifier]


def _filtered(store: dict[str, dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    wanted = [p["stringValue"] for p in json.loads(query.get("filter", '{"predicates": []}'))["predicates"]]
    return [content for content in store.values() if not wanted or content["display_name"] in wanted]


if __name__ == "__main__":
    Handler.state = State(json.loads(Path(sys.argv[1]).read_text()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
