"""Settings of the model for browsers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BrowserSettings:
    """The pushed model as files for a browser.

    Attributes:
      export: Whether they are made; they need what `make browser` installs. Tasks that answer (sums, pairs) alone.
      tools: The folder that `make browser` has filled; empty: `.browser` in the checkout.
    """

    export: bool = False
    tools: str = ""
