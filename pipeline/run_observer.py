"""Who is told what a run does."""


class RunObserver:
    """Is told what a run does; this one does nothing with it."""

    def on_plan(self, components: list[str]) -> None:
        """Hears which components there are, in the order in which they will run."""

    def on_start(self, component: str) -> None:
        """Hears that a component begins."""

    def on_done(self, component: str, seconds: float, cached: bool) -> None:
        """Hears that a component is done, or that an earlier run's outputs are taken for it."""

    def on_failed(self, component: str, reason: str) -> None:
        """Hears that a component has ended with an error."""
