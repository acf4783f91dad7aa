"""The page on which anyone can try the models: one HTML file without anything to load, which speaks the REST API alone."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files

PATH = "/"

# In the order in which they use each other.
_SCRIPTS = ("shared.js", "api.js", "lines.js", "answer.js", "writing.js", "forecast.js", "main.js")

_STYLES = ("shared.css", "page.css")

# The page of a model in the browser has these too.
SHARED = ("shared.css", "shared.js")


@dataclass(frozen=True)
class Page:
    """What is answered to a path that is not of the API.

    Attributes:
      text: The body.
      content_type: Its media type.
      headers: Further headers.
    """

    text: str
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PageModel:
    """A model that the page offers.

    Attributes:
      name: Its name.
      labels: The labels that its versions have; the REST API does not list them.
    """

    name: str
    labels: tuple[str, ...] = ()


def render(models: Sequence[PageModel], *, grpc: str, rest: str = "", tls: bool = False) -> Page:
    """Returns the page.

    Args:
      models: What is served; the REST API has no list of models.
      grpc: `host:port` for grpcurl; without a host it is the page's own.
      rest: Address of the REST API for curl, such as `http://localhost:8501`; empty for the page's own.
      tls: Whether gRPC is encrypted.
    """
    served = {"models": [asdict(model) for model in models], "grpc": grpc, "rest": rest, "tls": tls}
    # Not to end the element that it stands in.
    data = json.dumps(served).replace("<", "\\u003c")
    template, headers = _template()
    return Page(template.replace("{{served}}", data), "text/html", headers)


@cache
def _template() -> tuple[str, dict[str, str]]:
    """Returns the page but for its data, and headers that let it run what it brings, ask its own server, and nothing else."""
    folder = files(__name__)
    style = "".join(folder.joinpath(name).read_text("utf-8") for name in _STYLES)
    script = "\n".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    html = folder.joinpath("page.html").read_text("utf-8").replace("{{style}}", style).replace("{{script}}", script)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return html, headers


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
