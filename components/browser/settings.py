"""Settings of the model for browsers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BrowserSettings:
    """The pushed model as files for a browser.

    Attributes:
      export: Whether the files for a browser are made. They need what `make browser` installs. Only models that answer can be
        exported, and they answer without a beam.
      tools: The folder that `make browser` has filled; empty: `.browser` in the checkout.
    """

    export: bool = False
    tools: str = ""
