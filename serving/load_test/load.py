"""A load test of any PredictionService: callers that each send their next request when the last one is answered.

``python -m serving.load_test localhost:8500 --model sums --text 12+34 --callers 64 --seconds 10 --plot load.png``
"""

import argparse
import asyncio
import json
import math
import time
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc

from charseq_client.arrays import to_proto
from charseq_client.messages import predict_pb2
from serving.load_test.plot import FORMATS, save_plot
from serving.load_test.samples import LoadResult, LoadSamples

PREDICT = "/tensorflow.serving.PredictionService/Predict"

_WARM_UP_S = 0.5
# More callers share connections: one connection carries them one after the other.
_CALLERS_PER_CHANNEL = 16
_MAX_SECONDS = 600.0
_MAX_CALLERS = 4096


# Sends the next request of a caller, by its number; returns the code that it failed with, empty if it was answered.
Call = Callable[[int], Awaitable[str]]


def run_load(target: str, request: bytes, *, callers: int, seconds: float, timeout_s: float = 10.0) -> LoadResult:
    """Loads a server; see :func:`sample_load`.

    Returns:
      The figures.
    """
    return sample_load(target, request, callers=callers, seconds=seconds, timeout_s=timeout_s).result()


def sample_load(
    target: str, request: bytes, *, callers: int, seconds: float, timeout_s: float = 10.0, method: str = PREDICT
) -> LoadSamples:
    """Loads a server.

    Args:
      target: ``HOST:PORT``.
      request: A serialized ``PredictRequest``.
      callers: Requests in flight at a time.
      seconds: How long to measure, after a short warm-up.
      timeout_s: Deadline of each request.
      method: Full name of another unary method, whose request ``request`` is.

    Returns:
      Every request of it.

    Raises:
      ValueError: the load is without bounds.
    """
    return asyncio.run(_load_grpc(target, request, callers, seconds, timeout_s, method))


async def sample_calls(call: Call, *, callers: int, seconds: float) -> LoadSamples:
    """Has callers call as long as it says; arguments, result and errors are those of :func:`sample_load`."""
    if not 1 <= callers <= _MAX_CALLERS or not 0 < seconds <= _MAX_SECONDS:
        raise ValueError(
            f"{callers} callers for {seconds:g} s: give 1 to {_MAX_CALLERS} callers and at most {_MAX_SECONDS:g} s."
        )
    samples = LoadSamples(callers, seconds)
    begin = time.perf_counter() + _WARM_UP_S
    end = begin + seconds

    async def caller(number: int) -> None:
        while (started := time.perf_counter()) < end:
            failure = await call(number)
            finished = time.perf_counter()
            if failure:
                if started >= begin:
                    samples.errors.setdefault(failure, array("d")).append(finished - begin)
                await asyncio.sleep(0.01)
            elif started >= begin and finished <= end:
                samples.finished.append(finished - begin)
                samples.latencies.append(finished - started)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return samples


async def _load_grpc(
    target: str, request: bytes, callers: int, seconds: float, timeout_s: float, method: str
) -> LoadSamples:
    # Channels of their own: gRPC would have equal ones share a connection.
    channels = [
        grpc.aio.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),))
        for _ in range(math.ceil(callers / _CALLERS_PER_CHANNEL))
    ]
    methods: list[Any] = [channel.unary_unary(method) for channel in channels]

    async def call(number: int) -> str:
        try:
            await methods[number % len(methods)](request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        return ""

    try:
        return await sample_calls(call, callers=callers, seconds=seconds)
    finally:
        for channel in channels:
            await channel.close()


def text_request(model: str, text: str, *, signature: str = "", label: str = "") -> bytes:
    """Returns the serialized request for one text."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if label:
        request.model_spec.version_label = label
    request.inputs["text"].CopyFrom(to_proto("text", [text]))
    return bytes(request.SerializeToString())


def main() -> int:
    """Runs a load test from the command line; 1 if a request failed."""
    parser = argparse.ArgumentParser(prog="python -m serving.load_test", description="Loads a model server.")
    parser.add_argument("target", metavar="HOST:PORT", help="the server")
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--label", default="", help="label of the version")
    parser.add_argument("--text", default="12+34", help="what to ask")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 8, 64], help="requests in flight at a time")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long for each number of callers")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw latency and throughput: a .png or .svg file")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    if arguments.plot and (arguments.plot.suffix.lower() not in FORMATS or not arguments.plot.parent.is_dir()):
        parser.error(
            f"--plot {arguments.plot}: give a file that ends in {' or '.join(FORMATS)}, in a folder that exists."
        )
    request = text_request(arguments.model, arguments.text, label=arguments.label)
    try:
        samples = [
            sample_load(arguments.target, request, callers=callers, seconds=arguments.seconds)
            for callers in arguments.callers
        ]
    except ValueError as error:
        parser.error(str(error))
    results = [sample.result() for sample in samples]
    if arguments.plot:
        save_plot(samples, arguments.plot, f"{arguments.model} at {arguments.target}")
    if arguments.json:
        print(json.dumps({"target": arguments.target, "results": [asdict(result) for result in results]}))
    else:
        print("callers  requests/s  p50 ms  p99 ms  max ms  errors")
        for r in results:
            errors = ", ".join(f"{code} {count}" for code, count in sorted(r.errors.items())) or "none"
            numbers = f"{r.throughput:10.0f}  {r.p50_ms:6.2f}  {r.p99_ms:6.2f}  {r.max_ms:6.1f}"
            print(f"{r.callers:7d}  {numbers}  {errors}")
    return int(any(result.errors for result in results))
