"""A small stand-in for Kubeflow Pipelines' API server and its pages (2.17.0, over HTTP), as a process of its own.

`python -m tests.pipeline.kubeflow.fake_api_server SCRIPT` prints its port, then answers from a script (JSON) and keeps every
request it gets at GET /requests. In the script:

- `looks`: what each look at a run finds, see `argo_status.workflow`; or `status`, an HTTP status to answer with.
- `token`, `cookie`, `user`: what a request has to carry. `multi_user`: whether everything belongs to a namespace.
- `logs`: logs by `step/attempt`. `keeps`: who has them: `artifacts` and `pods` (the pages), `nodes` (the API server).
- `v1beta1`: false if the server has no such API.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.pipeline.kubeflow import argo_status
from tests.pipeline.kubeflow.backend import Accepted, RefusedError, accept, root_parameters

API = "/apis/v2beta1"


class State:
    def __init__(self, script: dict[str, Any]) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.accepted: dict[str, Accepted] = {}
        self.workflow: dict[str, Any] = {}
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
            token, cookie, user = (self.state.script.get(name) for name in ("token", "cookie", "user"))
            if user and self.headers.get("kubeflow-userid") != user and not url.path.endswith("/healthz"):
                raise RequestRefusedError(401, "Request header error: there is no user identity header.")
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                raise RequestRefusedError(401, "the token is wrong")
            if cookie and self.headers.get("Cookie") != cookie:
                raise RequestRefusedError(403, "the session is over")
            if not url.path.startswith(API):
                self._send_text(*self._route_others(url.path, query))
            else:
                self._send(200, self._route(method, url.path.removeprefix(API), query, body))
        except RequestRefusedError as error:
            self._send(error.status, {"error_message": str(error), "message": str(error)})

    def _send(self, status: int, content: dict[str, Any]) -> None:
        self._send_text(status, "application/json", json.dumps(content))

    def _send_text(self, status: int, kind: str, content: str) -> None:
        text = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> dict[str, Any]:
        state = self.state
        if path == "/healthz":
            return {"multi_user": bool(state.script.get("multi_user"))}
        if path == "/pipelines" and method == "GET":
            return {"pipelines": _filtered(state.pipelines, query)}
        if path == "/pipelines":
            return _add(state.pipelines, "pipeline_id", self._in_a_namespace(json.loads(body)))
        if path == "/pipelines/upload_version":
            return self._upload(query, body)
        if path == "/experiments" and method == "GET":
            return {"experiments": _filtered(state.experiments, query)}
        if path == "/experiments":
            return _add(state.experiments, "experiment_id", self._in_a_namespace(json.loads(body)))
        if path in ("/runs", "/recurringruns") and method == "POST":
            content = json.loads(body)
            version = content["pipeline_version_reference"]["pipeline_version_id"]
            if version not in state.versions:
                raise RequestRefusedError(404, "there is no such version")
            try:
                root_parameters(state.accepted[version].spec, content["runtime_config"].get("parameters") or {})
            except RefusedError as error:
                raise RequestRefusedError(400, f"Failed to create a run: {error}") from None
            return _add(state.runs, "run_id" if path == "/runs" else "recurring_run_id", content)
        if found := re.fullmatch(r"/runs/([^/]+)", path):
            return state.runs[found[1]] | self._look(state.runs[found[1]])
        raise RequestRefusedError(404, f"nothing is at {path}")

    def _in_a_namespace(self, content: dict[str, Any]) -> dict[str, Any]:
        if self.state.script.get("multi_user") and not content.get("namespace"):
            raise RequestRefusedError(400, "Namespace cannot be empty in multi-user mode")
        return content

    def _route_others(self, path: str, query: dict[str, str]) -> tuple[int, str, str]:
        """Answers for the older API and for Kubeflow's pages."""
        state = self.state
        keeps = state.script.get("keeps", [])
        if re.fullmatch(r"/apis/v1beta1/runs/([^/]+)", path) and state.script.get("v1beta1", True):
            runtime = {"workflow_manifest": json.dumps(state.workflow)}
            return 200, "application/json", json.dumps({"run": {}, "pipeline_runtime": runtime})
        for name, log in state.script.get("logs", {}).items():
            step, _, attempt = name.partition("/")
            pod = argo_status.pod_name(state.workflow, step, int(attempt))
            if "artifacts" in keeps and path == "/artifacts/get":
                wanted = {
                    "source": "minio",
                    "bucket": "mlpipeline",
                    "key": f"v2/artifacts/{step}/0/executor-logs-{attempt}",
                }
                if query == wanted | {"namespace": argo_status.NAMESPACE}:
                    return 200, "text/plain", log
            if "pods" in keeps and path == "/k8s/pod/logs" and query["podname"] == pod:
                return 200, "text/plain", log
            if "nodes" in keeps and re.fullmatch(rf"/apis/v1alpha1/runs/[^/]+/nodes/{pod}/log", path):
                return 200, "text/plain", log
        if path.startswith("/apis/v1alpha1/"):  # it says 200 before it has looked
            return 200, "text/plain", json.dumps({"error_message": "Failed to read logs"})
        if path == "/k8s/pod/logs":
            return 500, "text/plain", "Could not get main container logs: Error: pods not found"
        return 404, "application/json", json.dumps({"message": "Not Found"})

    def _upload(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        if query["pipelineid"] not in self.state.pipelines:
            raise RequestRefusedError(404, "there is no such pipeline")
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        part = body.split(b"--" + boundary)[1]
        try:
            accepted = accept(part.partition(b"\r\n\r\n")[2].decode())
        except RefusedError as error:
            raise RequestRefusedError(400, f"invalid pipeline spec: {error}") from None
        version = {"pipeline_id": query["pipelineid"], "display_name": query["name"]}
        added = _add(self.state.versions, "pipeline_version_id", version)
        self.state.accepted[added["pipeline_version_id"]] = accepted
        return added

    def _look(self, run: dict[str, Any]) -> dict[str, Any]:
        looks = self.state.script["looks"]
        look = looks[min(self.state.looks, len(looks) - 1)]
        self.state.looks += 1
        if "status" in look:
            raise RequestRefusedError(look["status"], "the server is being restarted")
        accepted = self.state.accepted[run["pipeline_version_reference"]["pipeline_version_id"]]
        self.state.workflow = argo_status.workflow(
            "sums-x7k2p", look, accepted.order, "minio://mlpipeline/v2/artifacts"
        )
        return {
            "state": look["state"],
            "run_details": {"task_details": argo_status.task_details(self.state.workflow)},
        }


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
