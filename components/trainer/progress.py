"""What a training says while it runs: lines for a log, and figures for a display that is there to show them."""

import logging
import time

import keras

from components.trainer.progress_record import PROGRESS_LOGGER, TrainingProgress

_LOG = logging.getLogger("charseq.trainer")

_DISPLAY = logging.getLogger(PROGRESS_LOGGER)

# Least seconds between two lines, and between two figures for a display.
_LINE_SECONDS = 5.0
_DISPLAY_SECONDS = 0.2


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs epoch, loss, validation and the time left, at most every 5 seconds; to a display more often."""

    def __init__(self, epochs: int):
        super().__init__()
        self._epochs = epochs

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._logged = self._displayed = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._validation: dict[str, float] = {}
        self._first_epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch
        self._first_epoch = self._first_epoch or epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        now = time.monotonic()
        if self._first is None:  # it compiled as well, and says nothing of those to come
            self._first = self._steps(batch + 1), now
        if now - self._displayed >= _DISPLAY_SECONDS:
            self._display(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        self._validation |= {name: value for name, value in logs.items() if name.startswith("val_")}
        self._display(self.params["steps"], logs)
        now = time.monotonic()
        if now - self._logged < _LINE_SECONDS and epoch + 1 < self._epochs:
            return
        self._logged = now
        figures = logs | self._validation
        left = self._seconds_left(self.params["steps"])
        _LOG.info(
            "epoch %d/%d: %s%s",
            epoch + 1,
            self._epochs,
            ", ".join(f"{name} {figures[name]:.4f}" for name in _ordered(figures)),
            "" if left is None else f"; {left:.0f} s left",
        )

    def _display(self, batches: int, logs: dict[str, float]) -> None:
        if not _DISPLAY.isEnabledFor(logging.DEBUG):
            return
        self._displayed = time.monotonic()
        figures = {**logs, **self._validation}
        left = self._seconds_left(batches)
        progress = TrainingProgress(self._epoch + 1, self._epochs, self._first_epoch, figures, left)
        _DISPLAY.debug("epoch %d/%d", progress.epoch, progress.epochs, extra={"progress": progress})

    def _seconds_left(self, batches: int) -> float | None:
        """Returns how long the rest takes at the pace since the first steps; None if there were no others."""
        done = self._steps(batches)
        if self._first is None or done <= self._first[0]:
            return None
        pace = (time.monotonic() - self._first[1]) / (done - self._first[0])
        return pace * (self._epochs * int(self.params["steps"]) - done)

    def _steps(self, batches: int) -> int:
        """Returns the steps from the beginning of the training to so many batches of this epoch."""
        return int(self._epoch * self.params["steps"] + batches)


def _ordered(figures: dict[str, float]) -> list[str]:
    """Returns the names of figures: those of the training first, of each side the loss first; not the learning rate."""
    names = [name for name in figures if name != "learning_rate"]
    return sorted(names, key=lambda name: (name.startswith("val_"), not name.endswith("loss")))
