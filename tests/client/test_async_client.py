"""The asyncio client against the real server, killed ones included, and against servers that misbehave."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from charseq_client import AsyncClient, Client, PredictionError, Retries
from charseq_client.text import Sampling, generate_async, stream, stream_async
from serving.contract.errors import Code
from serving.free_port import free_port
from tests.serving.conftest import Push
from tests.serving.processes import ROOT, RunningServer, running_server
from tests.serving.scripted import Scripted

pytestmark = pytest.mark.e2e

_UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, shout_models: dict[int, Path], writer_model: Path, push: Push
) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    push(shout_models[1], folder / "serving" / "shout", 1)
    push(writer_model, folder / "serving" / "text", 4)
    with running_server(folder, f"--serving_dir={folder / 'serving'}") as running:
        yield running


def _with_client(target: str, use: Callable[[AsyncClient], Awaitable[Any]], **settings: Any) -> Any:
    """Runs `use` with a client in an event loop of its own; afterwards no task may be left in it."""

    async def run() -> Any:
        async with AsyncClient(target, **settings) as client:
            result = await use(client)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run())


def test_the_import_brings_nothing_that_takes_long() -> None:
    heavy = {"tensorflow", "keras", "tfx", "apache_beam", "pandas", "pyarrow", "matplotlib", "kfp"}
    program = f"import sys; import charseq_client.text; assert not {heavy} & set(sys.modules), set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_all_calls(server: RunningServer) -> None:
    async def use(client: AsyncClient) -> None:
        assert await client.wait_until_available("shout", version=1) == 1
        prediction = await client.predict({"text": ["ab", "é"]}, model="shout")
        assert prediction.strings("text") == ["1:ab:AB", "1:é:?"]
        assert (prediction.model, prediction.version, prediction.signature) == ("shout", 1, "serving_default")
        same = await client.predict({"text": [b"x"]}, model="shout", signature="same", output_filter=["second"])
        assert {name: array.tolist() for name, array in same.outputs.items()} == {"second": [b"x"]}
        assert (await client.metadata("shout"))["serving_default"].outputs["log_prob"].dtype == 1
        (status,) = await client.status("shout")
        assert (status.version, status.state, status.error_code) == (1, "AVAILABLE", Code.OK)
        with pytest.raises(PredictionError) as caught:
            await client.predict({"text": ["é!"]}, model="shout")
        assert caught.value.code == Code.INVALID_ARGUMENT
        assert caught.value.reason == 'text[0]: character "!" in "é!" is not one this model knows'
        with pytest.raises(PredictionError, match=r"not available within 0\.2 s.*Could not find any versions"):
            await client.wait_until_available("m", timeout=0.2)
        with pytest.raises(ValueError, match="not both"):
            await client.predict({"text": ["a"]}, model="shout", version=1, label="stable")

    _with_client(server.target, use, compression=grpc.Compression.Gzip)


def test_many_calls_at_a_time(server: RunningServer) -> None:
    async def use(client: AsyncClient) -> None:
        async def ask(number: int) -> list[str]:
            texts = [f"{number}.{row}" for row in range(number % 9)] or ["ab"]
            return (await client.predict({"text": texts}, model="shout")).strings("text")

        answers = await asyncio.gather(*(ask(number) for number in range(500)))
        for number, answer in enumerate(answers):
            assert answer == ([f"1:{number}.{row}:?" for row in range(number % 9)] or ["1:ab:AB"])

    _with_client(server.target, use, max_batch_size=4)


def test_the_server_is_killed_and_started_again(tmp_path: Path, shout_models: dict[int, Path], push: Push) -> None:
    push(shout_models[1], tmp_path / "serving" / "shout", 1)
    arguments = (f"--serving_dir={tmp_path / 'serving'}", f"--port={free_port()}")
    with ExitStack() as stack:
        first = stack.enter_context(running_server(tmp_path, *arguments))

        async def use(client: AsyncClient) -> None:
            answered, stop = 0, False

            async def caller(number: int) -> None:
                nonlocal answered
                while not stop:
                    prediction = await client.predict({"text": [str(number)]}, model="shout")
                    assert prediction.strings("text") == [f"1:{number}:?"]
                    answered += 1

            callers = asyncio.gather(*(caller(number) for number in range(16)))
            while answered < 50:
                await asyncio.sleep(0.01)
            first.process.kill()
            await asyncio.to_thread(first.process.wait)
            before = answered
            await asyncio.to_thread(stack.enter_context, running_server(tmp_path, *arguments))
            while answered < before + 50:
                await asyncio.sleep(0.01)
            stop = True
            await callers

        _with_client(first.target, use, retries=Retries(max_attempts=1000, max_backoff_s=0.2))


def test_deadlines(server: RunningServer, scripted: Scripted) -> None:
    async def slow(client: AsyncClient) -> None:
        with pytest.raises(PredictionError) as caught:
            await client.predict({"seconds": np.array(0.5)}, model="shout", signature="slow", timeout=0.1)
        assert caught.value.code == Code.DEADLINE_EXCEEDED

    async def nobody_there(client: AsyncClient) -> None:
        with pytest.raises(PredictionError) as caught:
            await client.predict({"x": [1]}, model="m")
        assert caught.value.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)

    async def three_attempts(client: AsyncClient) -> None:
        with pytest.raises(PredictionError, match="scripted UNAVAILABLE"):
            await client.predict({"x": [1]}, model="m")

    started = time.monotonic()
    _with_client(server.target, slow)
    _with_client("127.0.0.1:1", nobody_there, timeout=0.5)
    assert time.monotonic() - started < 2
    servicer, target = scripted(*[_UNAVAILABLE] * 9)
    _with_client(target, three_attempts, retries=Retries(max_attempts=3, first_backoff_s=0.01))
    assert len(servicer.seen) == 3


def test_unavailable_is_retried_and_nothing_else(scripted: Scripted) -> None:
    async def version(client: AsyncClient) -> int:
        return (await client.predict({"x": [1]}, model="m")).version

    async def refused(client: AsyncClient) -> str:
        with pytest.raises(PredictionError) as caught:
            await client.predict({"x": [1]}, model="m")
        return str(caught.value.code.name)

    servicer, target = scripted(_UNAVAILABLE, _UNAVAILABLE, 3)
    assert _with_client(target, version, retries=Retries(first_backoff_s=0.01)) == 3
    assert len(servicer.seen) == 3
    for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED):
        servicer, target = scripted(code, 3)
        assert _with_client(target, refused) == code.name
        assert len(servicer.seen) == 1


def test_all_parts_of_a_batch_come_from_one_version(scripted: Scripted) -> None:
    async def use(client: AsyncClient) -> Any:
        return await client.predict({"x": [1, 2, 3, 4, 5]}, model="m")

    # Version 1 answers the first part and is gone at the second; version 2 answers all of it.
    servicer, target = scripted(1, grpc.StatusCode.NOT_FOUND, 2, 2, 2)
    prediction = _with_client(target, use, max_batch_size=2)
    assert (prediction.version, prediction.outputs["y"].tolist()) == (2, [2] * 5)
    assert [request.model_spec.version.value for request in servicer.seen] == [0, 1, 0, 2, 2]


def test_a_cancelled_call_ends_at_the_server(scripted: Scripted) -> None:
    servicer, target = scripted(None, 1)

    async def use(client: AsyncClient) -> None:
        task = asyncio.create_task(client.predict({"x": [1]}, model="m"))
        while not servicer.seen:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(servicer.given_up.wait, 5)
        assert (await client.predict({"x": [1]}, model="m")).version == 1

    _with_client(target, use)


def test_a_call_cancelled_between_two_attempts_is_not_tried_again(scripted: Scripted) -> None:
    servicer, target = scripted(_UNAVAILABLE, 1)

    async def use(client: AsyncClient) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.predict({"x": [1]}, model="m"), 0.2)
        await asyncio.sleep(0.5)

    _with_client(target, use, retries=Retries(first_backoff_s=0.5))
    assert len(servicer.seen) == 1


def test_closing_ends_calls_in_progress_with_an_error(scripted: Scripted) -> None:
    servicer, target = scripted(None)

    async def use(client: AsyncClient) -> None:
        task = asyncio.create_task(client.predict({"x": [1]}, model="m"))
        while not servicer.seen:
            await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(PredictionError, match="CANCELLED: The client was closed"):
            await task
        with pytest.raises(ValueError, match="The client is closed"):
            await client.status("m")

    _with_client(target, use)


def test_text(server: RunningServer) -> None:
    sampling = Sampling(length=10)

    async def use(client: AsyncClient) -> None:
        whole = await generate_async(client, ["xy", ""], sampling)
        assert whole.strings("text") == ["cdefghijkl", "abcdefghij"]
        chunks = [chunk async for chunk in stream_async(client, "xy", sampling, chunk=4)]
        assert [chunk.text for chunk in chunks] == ["cdef", "ghij", "kl"]
        assert {(chunk.model, chunk.version) for chunk in chunks} == {("text", 4)}
        with pytest.raises(ValueError, match="chunk is 0"):
            await anext(stream_async(client, "xy", sampling, chunk=0))

    _with_client(server.target, use)
    with Client(server.target) as client:
        assert [chunk.text for chunk in stream(client, "xy", sampling, chunk=4)] == ["cdef", "ghij", "kl"]
