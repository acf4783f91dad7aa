"""Pages in a real, headless Chromium, and what an accessibility checker says of them."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

PHONE = (390, 844)
DESKTOP = (1280, 900)

Scheme = Literal["light", "dark"]

# For a module whose tests need a browser: `pytestmark = IN_CHROMIUM`.
IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on PATH: apt-get install chromium"),
]

# So that the browser itself asks no one for anything.
_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Tab:
    """A page that is open.

    Attributes:
      page: Playwright's page.
      errors: What it has written to the console as an error, and exceptions that nothing caught.
      requests: The addresses that it has asked for.
    """

    page: "Page"
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def page_in_chromium(
    address: str = "about:blank", *, scheme: Scheme = "light", size: tuple[int, int] = DESKTOP
) -> Iterator[Tab]:
    """Opens a page.

    Args:
      address: The page's address; `file://` too.
      scheme: Whether the user prefers light or dark.
      size: Width and height of the window in CSS pixels.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=_ARGUMENTS,
            chromium_sandbox=os.geteuid() != 0,  # root has none
        )
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        tab = Tab(context.new_page())
        tab.page.set_default_timeout(30_000)
        tab.page.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.goto(address)
        yield tab
        browser.close()


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def static_files(folder: Path) -> Iterator[str]:
    """Serves a folder by a web server that knows nothing but files, not at its root; yields the folder's address."""
    handler = functools.partial(_Files, directory=folder.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{folder.name}/"
        server.shutdown()


def axe_violations(tab: Tab) -> str:
    """Returns what axe-core finds wrong with a page as it is now, empty if nothing."""
    from axe_playwright_python.sync_playwright import Axe

    results = Axe().run(tab.page)
    return results.generate_report() if results.violations_count else ""
