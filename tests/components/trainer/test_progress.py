"""What a training says while it runs."""

import logging

import pytest

from components.trainer import progress
from components.trainer.progress import Progress
from components.trainer.progress_record import PROGRESS_LOGGER


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def shown(monkeypatch):
    """What a display gets, which is there."""
    logger = logging.getLogger(PROGRESS_LOGGER)
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger._cache.clear()
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record.progress)

    handler = Handler()
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    monkeypatch.undo()
    logger._cache.clear()


def begin(epochs, steps, first_epoch=0):
    callback = Progress(epochs)
    callback.set_params({"steps": steps})
    callback.on_train_begin()
    callback.on_epoch_begin(first_epoch)
    return callback


def test_the_time_left_is_told_from_the_steps_after_the_first(clock, shown):
    callback = begin(epochs=2, steps=10)
    clock[0] = 50.0  # it was compiled
    callback.on_train_batch_end(1, {"loss": 3.0})
    assert shown[-1].seconds_left is None
    clock[0] = 54.0
    callback.on_train_batch_end(5, {"loss": 2.0})
    assert (shown[-1].epoch, shown[-1].epochs, shown[-1].logs) == (1, 2, {"loss": 2.0})
    assert shown[-1].seconds_left == pytest.approx(14.0)


def test_the_latest_validation_is_shown_until_there_is_another(clock, shown):
    callback = begin(epochs=9, steps=1)
    callback.on_train_batch_end(0, {"loss": 3.0})
    callback.on_epoch_end(0, {"loss": 3.0, "accuracy": 0.1, "val_loss": 3.5, "val_accuracy": 0.1})
    clock[0] = 1.0
    callback.on_epoch_begin(1)
    callback.on_train_batch_end(0, {"loss": 2.0})
    assert shown[-1].logs == {"loss": 2.0, "val_loss": 3.5, "val_accuracy": 0.1}


def test_a_display_is_not_told_more_than_it_can_show(clock, shown):
    callback = begin(epochs=1, steps=1000)
    for batch in range(1000):
        clock[0] += 0.001
        callback.on_train_batch_end(batch, {"loss": 1.0})
    assert 3 <= len(shown) <= 6


def test_a_training_that_goes_on_says_from_where(shown, clock):
    callback = begin(epochs=9, steps=1, first_epoch=4)
    callback.on_epoch_end(4, {"loss": 1.0, "accuracy": 0.5})
    assert (shown[-1].epoch, shown[-1].first_epoch) == (5, 5)


def test_without_a_display_there_are_lines_every_five_seconds(clock, caplog):
    caplog.set_level(logging.INFO, "charseq.trainer")
    callback = begin(epochs=4, steps=1)
    for epoch in range(4):
        callback.on_epoch_begin(epoch)
        clock[0] += 3.0
        callback.on_train_batch_end(0, {})
        callback.on_epoch_end(
            epoch, {"loss": 1.0, "accuracy": 0.5} | ({"val_loss": 2, "val_accuracy": 0.4} if epoch else {})
        )
    assert [record.getMessage() for record in caplog.records] == [
        "epoch 2/4: loss 1.0000, accuracy 0.5000, val_loss 2.0000, val_accuracy 0.4000; 6 s left",
        "epoch 4/4: loss 1.0000, accuracy 0.5000, val_loss 2.0000, val_accuracy 0.4000; 0 s left",
    ]
