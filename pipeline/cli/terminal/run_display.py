"""What `charseq run` shows while it runs: a live list of components in a terminal, plain lines anywhere else."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Literal

import click

from components.trainer.progress_record import PROGRESS_LOGGER
from pipeline.cli.terminal.logs import held_back_stderr, set_up_logs
from pipeline.local.imports import importing
from pipeline.run_observer import RunObserver

_State = Literal["waiting", "running", "done", "cached", "failed", "interrupted"]

# A mark, one for terminals without Unicode, and a style.
_MARKS = {
    "waiting": ("·", "-", "dim"),
    "done": ("✓", "+", "green"),
    "cached": ("✓", "+", "green"),
    "failed": ("✗", "x", "bold red"),
    "interrupted": ("✗", "x", "bold yellow"),
}

_IMPORTS = "importing TensorFlow, TFX and Beam"


class PlainLines(RunObserver):
    """A line when a component begins and one when it is done."""

    def on_start(self, component: str) -> None:
        """Says which."""
        click.echo(component, err=True)

    def on_done(self, component: str, seconds: float, cached: bool) -> None:
        """Says how long it took."""
        click.echo(f"  {'cached' if cached else f'done in {seconds:.1f} s'}", err=True)


class LiveList(RunObserver, logging.Handler):
    """The components with what they are doing, redrawn in place; also the handler of the logs, which would break the picture.

    A warning is printed above the list, any other line stands beside the component that is running.
    """

    def __init__(self, terminal: Any):
        """Makes a list.

        Args:
          terminal: Rich's console.
        """
        logging.Handler.__init__(self)
        from rich.spinner import Spinner

        self._terminal = terminal
        self._spinner = Spinner("dots" if terminal.encoding == "utf-8" else "line")
        self._states: dict[str, _State] = {}
        self._details: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._began = time.monotonic()
        self._running = "start"
        self._states["start"] = "running"
        self._details["start"] = _IMPORTS

    def on_plan(self, components: list[str]) -> None:
        """Lists them."""
        self._end("done", time.monotonic() - self._began)
        self._states |= dict.fromkeys(components, "waiting")

    def on_start(self, component: str) -> None:
        """Begins to count its seconds."""
        self._running, self._began = component, time.monotonic()
        self._states[component] = "running"

    def on_done(self, component: str, seconds: float, cached: bool) -> None:
        """Ticks it off."""
        self._end("cached" if cached else "done", seconds)

    def on_failed(self, component: str, reason: str) -> None:
        """Says why, as far as it fits in the line; all of it comes at the end."""
        self._details[component] = reason.strip().partition("\n")[0]
        self._end("failed", time.monotonic() - self._began)

    def interrupt(self) -> None:
        """Marks what is running."""
        self._end("interrupted", time.monotonic() - self._began)

    def _end(self, state: _State, seconds: float) -> None:
        if self._states[self._running] == "running":
            self._states[self._running], self._seconds[self._running] = state, seconds

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a line of the logs, or a training's progress."""
        if (progress := getattr(record, "progress", None)) is not None:
            self._details[self._running] = describe_progress(progress)
        elif record.levelno >= logging.WARNING:
            self._terminal.print(f"  {record.getMessage()}", style="yellow", markup=False, highlight=False)
        elif self._states[self._running] == "running" and not self._details.get(self._running, "").startswith("epoch"):
            self._details[self._running] = record.getMessage()

    def __rich__(self) -> Any:
        """Returns the list as it is now."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=True, expand=True)
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True, min_width=8)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, state in self._states.items():
            seconds = self._seconds.get(name)
            mark: Any
            if state == "running":
                mark, style, seconds = self._spinner, "bold", time.monotonic() - self._began
            else:
                unicode, ascii_, style = _MARKS[state]
                mark = Text(unicode if self._terminal.encoding == "utf-8" else ascii_, style)
            words = self._details.get(name, "") if state != "cached" else "cached: an earlier run's"
            if state == "interrupted":
                words = f"interrupted  {words}"
            elapsed = "" if seconds is None else f"{seconds:.1f} s"
            shown = style if state in ("running", "waiting") else ""
            table.add_row(mark, Text(name, shown), Text(elapsed), Text(words, style if state == "failed" else "dim"))
        return table


def describe_progress(progress: Any) -> str:
    """Returns a TrainingProgress in a line."""
    words = [f"epoch {progress.epoch}/{progress.epochs}"]
    if progress.first_epoch > 1:
        words[0] += f" (from the checkpoint after {progress.first_epoch - 1})"
    left = progress.seconds_left
    if left:  # before what a narrow terminal cuts off
        words.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left")
    validated = [name for name in progress.logs if name.startswith("val_") and name != "val_loss"]
    for name in ("loss", "val_loss", *validated):
        if name in progress.logs:
            words.append(f"{name} {progress.logs[name]:.4f}")
    return "  ".join(words)


@contextlib.contextmanager
def show_run(title: str, verbose: bool, live: bool) -> Iterator[RunObserver]:
    """Shows a run on standard error while it lasts.

    Args:
      title: What is run.
      verbose: Whether the libraries' logs are shown as well.
      live: Whether a list may be redrawn in place, if standard error is a terminal that can.
    """
    if live and not verbose and _can_redraw():
        with _live_list(title) as shown:
            yield shown
        return
    click.echo(title, err=True)
    click.echo(f"  starting ({_IMPORTS})", err=True)
    with contextlib.nullcontext() if verbose else held_back_stderr(), importing():
        from pipeline.local import run  # noqa: F401
    set_up_logs(verbose)  # again, for absl and TensorFlow have set up theirs
    yield PlainLines()


@contextlib.contextmanager
def _live_list(title: str) -> Iterator[LiveList]:
    from rich.console import Console
    from rich.live import Live

    # A descriptor of its own: what the libraries print by the usual one would break the picture, and is held back.
    with os.fdopen(os.dup(2), "w") as file:
        console = Console(file=file)
        console.print(title, style="bold", markup=False, highlight=False)
        shown = LiveList(console)
        progress = logging.getLogger(PROGRESS_LOGGER)
        progress.setLevel(logging.DEBUG)
        progress.propagate = False
        progress.addHandler(shown)
        with Live(shown, console=console, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False):
            try:
                with held_back_stderr():
                    with importing():
                        from pipeline.local import run  # noqa: F401

                    set_up_logs(False, shown)
                    yield shown
            except KeyboardInterrupt:
                shown.interrupt()
                raise


def _can_redraw() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
