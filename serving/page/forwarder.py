"""The page beside a server that serves no pages, such as TensorFlow Serving: the page itself, and the REST API passed on.

So the page asks its own origin alone, and no server has to let pages of other origins in (CORS).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import quote, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from serving.contract.errors import Code, ServingError, invalid_argument
from serving.contract.layout import CANARY, STABLE
from serving.page import PATH, PageModel, render

logger = logging.getLogger(__name__)

# Those that a rollout gives; the REST API does not list those that there are.
_LABELS = (STABLE, CANARY)

# TensorFlow Serving's own for REST is 30 s.
_TIMEOUT_S = 60.0
_MAX_BODY_BYTES = 64 << 20


class Forwarder:
    """Serves the page for the models of another server."""

    def __init__(self, server: str, models: Sequence[str], *, grpc: str | None = None) -> None:
        """Sets the forwarder up.

        Args:
          server: Address of the REST API, such as ``http://localhost:8501``.
          models: The models that the page offers; those that are not served are left out.
          grpc: `host:port` for the lines of grpcurl; port 8500 of the server's host by default.

        Raises:
          ServingError: INVALID_ARGUMENT, `server` is no address.
        """
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise invalid_argument(f"{server!r} is no address of a REST API; give one such as http://127.0.0.1:8501")
        self._server = server.rstrip("/")
        self._grpc = grpc or f"{parts.hostname}:8500"
        self._models = models
        self._session: aiohttp.ClientSession | None = None

    def run(self, host: str, port: int, on_ready: Callable[[str], None]) -> None:
        """Serves until SIGTERM or SIGINT.

        Args:
          host: Address to listen on.
          port: Port to listen on; 0 for a free one.
          on_ready: Called with the page's address once it is there.

        Raises:
          ServingError: UNAVAILABLE, the port is taken.
        """
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        application.router.add_get(PATH, self._page)
        application.router.add_route("*", "/v1/{path:.*}", self._pass_on)
        application.cleanup_ctx.append(self._with_session)

        async def serve() -> None:
            runner = web.AppRunner(application, access_log=None, handle_signals=True)
            await runner.setup()
            try:
                await web.TCPSite(runner, host, port).start()
                on_ready(f"http://{host}:{runner.addresses[0][1]}{PATH}")
                await asyncio.Event().wait()
            finally:
                await runner.cleanup()

        try:
            asyncio.run(serve())
        except OSError as error:
            message = f"port {port} on {host} cannot be listened on ({error.strerror}); choose another with --port"
            raise ServingError(Code.UNAVAILABLE, message) from error
        except (web.GracefulExit, KeyboardInterrupt):
            logger.info("told to stop")

    async def _with_session(self, application: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_TIMEOUT_S)) as self._session:
            yield

    async def _page(self, request: web.Request) -> web.Response:
        found = await asyncio.gather(*map(self._find, self._models))
        # With a server that is away the page offers them all, and says so when one is chosen.
        models = [model for model in found if model] or [PageModel(name) for name in self._models]
        page = render(models, grpc=self._grpc, rest=self._server)
        return web.Response(text=page.text, content_type=page.content_type, headers=page.headers)

    async def _find(self, model: str) -> PageModel | None:
        """Returns a model and its labels; None if it is not served."""
        path = f"/v1/models/{quote(model, safe='')}"
        statuses = await asyncio.gather(
            self._status(path), *(self._status(f"{path}/labels/{label}/metadata") for label in _LABELS)
        )
        if statuses[0] != 200:
            return None
        return PageModel(
            model, tuple(label for label, status in zip(_LABELS, statuses[1:], strict=True) if status == 200)
        )

    async def _status(self, path: str) -> int:
        try:
            status, _, _ = await self._ask("GET", path, b"")
        except (aiohttp.ClientError, TimeoutError):
            return 0
        return status

    async def _pass_on(self, request: web.Request) -> web.Response:
        try:
            status, content_type, body = await self._ask(request.method, request.raw_path, await request.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return web.json_response({"error": str(error) or "it did not answer in time"}, status=502)
        return web.Response(status=status, body=body, headers={"Content-Type": content_type})

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        if self._session is None:
            raise RuntimeError("Forwarder.run was not called")
        headers = {"Content-Type": "application/json"} if body else {}
        # The path as it was sent: decoded and encoded again it may be another.
        url = URL(self._server + path, encoded=True)
        async with self._session.request(method, url, data=body or None, headers=headers) as response:
            return response.status, response.headers.get("Content-Type", "application/json"), await response.read()
