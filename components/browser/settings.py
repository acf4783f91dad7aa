"""Settings of the model for browsers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BrowserSettings:
    """The pushed model as files for a browser.

    Attributes:
      export: Whether the files for a browser are made. They need what `make browser` installs. Only models that answer with
        a fixed length can be exported.
      tools: The folder that `make browser` has filled; empty: `.browser` in the checkout.
    """

    export: bool = False
    tools: str = ""
