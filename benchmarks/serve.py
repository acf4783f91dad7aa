"""A served model under load: the built-in server beside gRPC alone, TensorFlow Serving, and what people install from PyPI."""

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import aiohttp
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from benchmarks.measuring.figures import Figure, compare
from benchmarks.peers.processes import peer_python, peer_version
from components.trainer.fixed_length.export import Seq2SeqModel
from components.trainer.fixed_length.models import build_model
from components.trainer.fixed_length.settings import AttentionSettings
from components.transform.preprocessing import preprocessing_fn, read_vocabulary
from pipeline.config.task_files import load_task
from serving.free_port import free_port
from serving.launch import TENSORFLOW_MODEL_SERVER, server_command
from serving.load_test.load import PREDICT, sample_calls, sample_load, text_request
from serving.load_test.samples import LoadResult

CALLERS = (1, 8, 64)

_MODEL, _TEXT = "sums", "12+34"
_SECONDS = 2.0
_START_SECONDS = 180.0
_PEERS = Path(__file__).parent / "peers" / "serve"
_INPUT_LENGTH, _OUTPUT_LENGTH = 5, 3

# Loads a server for some seconds, with a number of callers.
Load = Callable[[int, float], LoadResult]


@dataclasses.dataclass(frozen=True)
class Peer:
    """Something else that serves a SavedModel.

    Attributes:
      package: Its package on PyPI.
      script: The file of `peers/serve` that starts it.
      path: Where it takes JSON over HTTP; empty for MLServer's gRPC.
    """

    package: str
    script: str
    path: str


PEERS = {
    "BentoML": Peer("bentoml", "bentoml_peer.py", "/predict"),
    "LitServe": Peer("litserve", "litserve_peer.py", "/predict"),
    "MLServer": Peer("mlserver", "mlserver_peer.py", ""),
    "Ray Serve": Peer("ray", "ray_peer.py", "/"),
}


def measure(runs: int) -> list[Figure]:
    """Measures requests a second and their latency, one text a request, at 1, 8 and 64 callers in closed loops.

    The load comes from one process on the same cores: an asyncio client, gRPC for the servers that speak it, else HTTP. Each
    peer is measured alternately with the built-in server, which is there all the time.
    """
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers:
        serving_dir = os.path.join(folder, "serving")
        model_dir = os.path.join(serving_dir, _MODEL, "1")
        _export(model_dir, os.path.join(folder, "transform"))
        request = text_request(_MODEL, _TEXT)
        port, rest_port, echo_port = free_port(), free_port(), free_port()
        command = server_command(serving_dir, port=port, rest_port=rest_port, executable="builtin")
        ours = grpc_load(port, request)
        servers.enter_context(running_server(command, ours))
        echo = grpc_load(echo_port, request)
        servers.enter_context(
            running_server([sys.executable, "-m", "serving.load_test.echo", f"--port={echo_port}"], echo)
        )
        rest = _http_load(rest_port, f"/v1/models/{_MODEL}:predict", {"instances": [_TEXT]})
        figures += _compare({"charseq": ours, "gRPC alone (echo)": echo, "charseq, REST": rest}, runs)
        missing = {}
        if shutil.which(TENSORFLOW_MODEL_SERVER):
            port = free_port()
            load = grpc_load(port, request)
            with running_server(server_command(serving_dir, port=port, executable=TENSORFLOW_MODEL_SERVER), load):
                figures += _compare({"charseq": ours, "TensorFlow Serving": load}, runs)[1::2]
        else:
            missing["TensorFlow Serving"] = f"skipped: there is no {TENSORFLOW_MODEL_SERVER} on PATH"
        python = peer_python("serve")
        for name, peer in PEERS.items():
            if python is None:
                missing[name] = "skipped: not installed (make peers)"
                continue
            port = free_port()
            load = _peer_load(python, peer, port)
            sides = {f"charseq, beside {name}": ours, f"{name} {peer_version(python, peer.package)}": load}
            try:
                with running_server([str(python), str(_PEERS / peer.script), str(port), model_dir], load):
                    figures += _compare(sides, runs)
            except RuntimeError as error:
                missing[name] = f"failed: {error}"
    return figures + [Figure(name, None, "requests/s", note=note) for name, note in missing.items()]


def _compare(loads: Mapping[str, Load], runs: int) -> list[Figure]:
    """Measures servers alternately; the figures of each number of callers, in the order of the servers."""
    figures = []
    for callers in CALLERS:
        results: dict[str, list[LoadResult]] = {name: [] for name in loads}

        def side(name: str, results: dict[str, list[LoadResult]] = results, callers: int = callers) -> float:
            result = loads[name](callers, _SECONDS)
            if result.errors or not result.requests:
                raise RuntimeError(f"{result.requests} answers, errors {result.errors} at {callers} callers")
            results[name].append(result)
            return result.throughput

        sides = {name: (lambda name=name: side(name)) for name in loads}
        for name, figure in zip(
            loads, compare(f"{callers} caller{'s' * (callers > 1)}", sides, "requests/s", runs, {}), strict=True
        ):
            latency = ", ".join(
                f"p{share} {statistics.median(getattr(result, f'p{share}_ms') for result in results[name][1:]):.1f} ms"
                for share in (50, 99)
            )
            figures.append(dataclasses.replace(figure, note=f"{latency}{'; ' * bool(figure.note)}{figure.note}"))
    return figures


def grpc_load(port: int, request: bytes, method: str = PREDICT) -> Load:
    """Returns what loads the server at a port with a request over and over."""

    def load(callers: int, seconds: float) -> LoadResult:
        return sample_load(f"127.0.0.1:{port}", request, callers=callers, seconds=seconds, method=method).result()

    return load


def _http_load(port: int, path: str, document: object) -> Load:
    body = json.dumps(document)

    async def run(callers: int, seconds: float) -> LoadResult:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            connector=aiohttp.TCPConnector(limit=callers),
            headers={"Content-Type": "application/json"},
        ) as session:

            async def call(number: int) -> str:
                try:
                    async with session.post(path, data=body) as response:
                        await response.read()
                        return "" if response.status == 200 else str(response.status)
                except aiohttp.ClientError as error:
                    return type(error).__name__

            return (await sample_calls(call, callers=callers, seconds=seconds)).result()

    return lambda callers, seconds: asyncio.run(run(callers, seconds))


def _peer_load(python: Path, peer: Peer, port: int) -> Load:
    if peer.path:
        return _http_load(port, peer.path, {"text": [_TEXT]})
    command = [str(python), str(_PEERS / peer.script), "--request", _TEXT]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    request = bytes.fromhex(printed.splitlines()[-1])
    return grpc_load(port, request, "/inference.GRPCInferenceService/ModelInfer")


@contextlib.contextmanager
def running_server(command: Sequence[str], load: Load) -> Iterator[int]:
    """Runs a server, with all that it starts, from when it answers. Yields its process id.

    Raises:
      RuntimeError: It did not start; the message ends with what it wrote last.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while True:
                result = load(1, 0.1)
                if result.requests and not result.errors:
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"{' '.join(command)} did not answer:\n{log.read()[-2_000:]}")
                time.sleep(0.5)
            yield process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _export(path: str, transform_dir: str) -> None:
    """Writes the SavedModel of the task sums, untrained: a request costs the same whatever is answered."""
    lengths = {"input_length": _INPUT_LENGTH, "output_length": _OUTPUT_LENGTH}
    spec = {name: tf.io.FixedLenFeature([1], tf.string) for name in ("expression", "answer")}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    example = {"expression": [b"0123456789+"], "answer": [b"0123456789"]}
    with tft_beam.Context(temp_dir=f"{transform_dir}.tmp"):
        transform = ([example], metadata) | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, lengths))
        _ = transform | tft_beam.WriteTransformFn(transform_dir)
    transform_output = tft.TFTransformOutput(transform_dir)
    settings = cast(AttentionSettings, load_task(_MODEL).train)
    model = build_model(settings, _INPUT_LENGTH, _OUTPUT_LENGTH, len(read_vocabulary(transform_output)))
    Seq2SeqModel(model, transform_output, _INPUT_LENGTH, _OUTPUT_LENGTH).save(path)
