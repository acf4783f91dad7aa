"""The HTTP server in front of the REST API: an event loop that reads and writes, threads that answer.

A client that sends slowly, or not at all, costs a socket and no thread. What it may send is bounded in size and in time.
"""

import asyncio
import contextlib
import logging
import socket
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from serving.contract.errors import Code, ServingError
from serving.page import Page
from serving.server.event_loop import EventLoop
from serving.server.rest.api import RestApi, error_response

logger = logging.getLogger(__name__)

_BACKLOG = 512
_FOREVER_S = 1e9

# A body is ten times as large and more once it is parsed. So many of this size are parsed at a time.
_LARGE_BODY_BYTES, _LARGE_BODIES = 1 << 20, 2

_SETTLE_S = 0.1
_ROUNDS, _ROUND_S = 5, 0.02
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


class HttpServer:
    """Serves a :class:`RestApi` over HTTP, on a thread of its own. :meth:`start`, then :meth:`stop`."""

    def __init__(
        self,
        api: RestApi,
        host: str,
        port: int,
        *,
        num_threads: int,
        timeout_s: float,
        max_body_bytes: int,
        grace_s: float,
        idle_s: float,
        cors: bool = False,
        pages: Mapping[str, Callable[[], Page]] | None = None,
    ) -> None:
        """Takes the port; nothing is answered before :meth:`start`.

        Args:
          api: What answers.
          host: Address to listen on.
          port: Port to listen on.
          num_threads: Requests answered at a time.
          timeout_s: Longest time for the body of a request to arrive, in seconds; 0 for no limit.
          max_body_bytes: Longest body.
          grace_s: Longest time that :meth:`stop` leaves to requests in progress, in seconds.
          idle_s: How long a connection may be open without a request, in seconds; 0 for no limit.
          cors: Whether pages of other origins may use the API.
          pages: What answers paths that are not of the API.

        Raises:
          ServingError: the address cannot be listened on.
        """
        self._api, self._timeout_s, self._max_body_bytes, self._cors = api, timeout_s, max_body_bytes, cors
        self._grace_s, self._idle_s, self._pages = grace_s, idle_s or _FOREVER_S, pages or {}
        self._socket = _listen(host, port)
        self._threads = ThreadPoolExecutor(num_threads, "rest")
        self._events = EventLoop("rest")
        self._runner: web.AppRunner | None = None
        self._large_bodies = asyncio.Semaphore(_LARGE_BODIES)

    def start(self) -> None:
        """Begins to answer."""
        self._events.start()
        self._events.call(self._start())

    def stop(self) -> None:
        """Takes no new connections and lets the requests in progress finish."""
        if not self._events.is_running:
            self._socket.close()
            self._threads.shutdown(wait=False)
            return
        self._events.call(self._stop())
        self._events.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _start(self) -> None:
        application = web.Application(client_max_size=self._max_body_bytes)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A request whose client has gone is finished all the same: its inference cannot be interrupted anyway.
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=self._grace_s,
            keepalive_timeout=self._idle_s,
            # As TensorFlow Serving, which knows gzip alone: that is done here, and any other encoding is no JSON.
            auto_decompress=False,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket, backlog=_BACKLOG).start()

    async def _stop(self) -> None:
        if self._runner is None:
            return
        # Accepts no more, and leaves those accepted just now the time to be known: asyncio forgets a connection that it is
        # accepting when it is closed, and its client waits.
        loop = self._events.loop
        loop.remove_reader(self._socket)
        await asyncio.sleep(_SETTLE_S)
        for site in list(self._runner.sites):
            await site.stop()
        # More than once: aiohttp gives up the connections that wait for a request at that moment, and would then wait as
        # long as for a request for one that only begins to.
        for _ in range(_ROUNDS):
            if self._runner.server is not None:
                self._runner.server.pre_shutdown()
            await asyncio.sleep(_ROUND_S)
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path
        page_path = path.partition("?")[0]
        if page_path in self._pages:
            page = self._pages[page_path]()
            return web.Response(text=page.text, content_type=page.content_type, headers=page.headers)
        if not path.lower().startswith("/v1/"):
            error = ServingError(Code.NOT_FOUND, f"There is nothing at {path}; the API is below /v1/models.")
            return self._respond(*error_response(error))
        if request.method == "OPTIONS":
            return self._preflight(request)
        try:
            # The body is read whatever the method, so that the connection can be used again.
            body = await asyncio.wait_for(request.read(), self._timeout_s or None)
            if "gzip" in request.headers.get("Content-Encoding", ""):
                body = _unzip(body, self._max_body_bytes)
        except (web.HTTPRequestEntityTooLarge, _TooLargeError):
            limit = self._max_body_bytes >> 20
            message = f"The body is larger than the {limit} MiB of --rest_api_max_body_mib; send fewer rows at a time."
            return self._refuse(413, message)
        except TimeoutError:
            return self._refuse(408, f"The body did not arrive within {self._timeout_s:g} s.")
        except (web.RequestPayloadError, zlib.error) as error:
            return self._refuse(400, f"The body cannot be read: {error}")
        async with self._large_bodies if len(body) > _LARGE_BODY_BYTES else contextlib.nullcontext():
            loop = asyncio.get_running_loop()
            return self._respond(*await loop.run_in_executor(self._threads, self._answer, request.method, path, body))

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        try:
            return self._api.answer(method, path, body)
        except Exception as error:
            logger.exception("A REST request failed in a way that is a bug of this server")
            return error_response(ServingError(Code.INTERNAL, f"Internal error of the server: {error!r}"[:500]))

    def _preflight(self, request: web.Request) -> web.Response:
        if request.headers.get("Origin", "").startswith(("http://", "https://")):
            return self._respond(200, b"")
        message = "Origin header is missing in CORS preflight"
        return self._respond(*error_response(ServingError(Code.FAILED_PRECONDITION, message)))

    def _refuse(self, status: int, message: str) -> web.Response:
        """Answers a request whose body was not read to its end, after which the connection is of no use."""
        _, body = error_response(ServingError(Code.INVALID_ARGUMENT, message))
        response = self._respond(status, body)
        response.force_close()
        return response

    def _respond(self, status: int, body: bytes) -> web.Response:
        headers = {"Content-Type": "application/json", **(_CORS_HEADERS if self._cors else {})}
        return web.Response(status=status, body=body, headers=headers)


class _TooLargeError(Exception):
    """A body that is too large once it is decompressed."""


def _unzip(body: bytes, most: int) -> bytes:
    """Decompresses a body of gzip.

    Raises:
      _TooLargeError: it would have more than ``most`` bytes.
      zlib.error: it is not compressed with gzip, or it is cut short.
    """
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    found = decompressor.decompress(body, most + 1)
    if len(found) > most:
        raise _TooLargeError
    if not decompressor.eof:
        raise zlib.error("the gzip stream is cut short")
    return found


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        message = (
            f"Port {port} on {host} cannot be listened on ({error.strerror}); choose another with --rest_api_port "
            "(charseq serve: --rest-port)."
        )
        raise ServingError(Code.UNAVAILABLE, message) from error
    return listener
