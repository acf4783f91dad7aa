"""The HTTP server by itself: how it ends."""

import http.client
import threading
import time

import pytest

from serving.free_port import free_port
from serving.server.rest.http_server import HttpServer


class _Api:
    """Answers everything alike."""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        return 200, b"{}"


@pytest.mark.parametrize("_", range(5))
def test_a_connection_that_arrives_with_the_end_holds_up_neither_server_nor_client(_: int) -> None:
    port = free_port()
    server = HttpServer(
        _Api(),  # type: ignore[arg-type]
        "127.0.0.1",
        port,
        num_threads=2,
        timeout_s=60,
        max_body_bytes=1000,
        grace_s=60,
        idle_s=60,
    )
    server.start()
    ended = threading.Event()
    hung = []

    def ask() -> None:
        while not ended.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            try:
                connection.request("POST", "/v1/models/shout:predict", b"{}")
                connection.getresponse().read()
            except TimeoutError as error:
                hung.append(error)
            except (OSError, http.client.HTTPException):
                pass  # closed before it was read, or not connected any more
            finally:
                connection.close()

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    time.sleep(0.2)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    stopping.join(10)
    held_up = stopping.is_alive()
    ended.set()
    for thread in [*callers, stopping]:
        thread.join()
    assert not held_up
    assert hung == []
